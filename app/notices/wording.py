"""Say a notice in words: subject, paragraphs, what happens next, and where it leads.

Pages and mails use the same words, from ``templates/emails/<kind>.txt``. They are written when they are read:
names are looked up then, because notices keep ids only (PPL-6). There is no request here, so the
templates have an environment of their own, with gettext.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import formats
from app.accounts.models import Party
from app.config import ROOT
from app.contracts.models import Milestone
from app.notices import rules
from app.notices.models import Notice
from app.offerings.change_models import OfferingChange, OfferingUpdate
from app.offerings.models import Issuer, Offering
from app.progress.dispute_models import Challenge
from app.progress.halt_models import Halt


@dataclass(frozen=True, slots=True)
class Words:
    """A notice as a person reads it. ``next_text`` says what follows by when, empty when nothing does."""

    subject: str
    paragraphs: tuple[str, ...]
    next_text: str
    path: str
    legal: bool


class _Book:
    """What the words of some notices refer to, read in one query per table."""

    def __init__(self, session: Session, params: Sequence[Mapping[str, Any]]) -> None:
        self.offerings = _by_id(session, Offering, _ids(params, "offering"))
        self.issuers = _by_id(session, Issuer, _ids(params, "issuer"))
        self.milestones = _by_id(session, Milestone, _ids(params, "milestone") | _ids(params, "next_milestone"))
        self.parties = _by_id(session, Party, _ids(params, "party"))
        self.changes = _by_id(session, OfferingChange, _ids(params, "change"))
        self.updates = _by_id(session, OfferingUpdate, _ids(params, "update"))
        self.halts = _by_id(session, Halt, _ids(params, "halt"))
        self.challenges = _by_id(session, Challenge, _ids(params, "challenge_row"))


def words_of(session: Session, notices: Sequence[Notice]) -> dict[int, Words]:
    """Return the words of each notice by its id, in a constant number of queries."""
    params = {notice.id: _read(notice) for notice in notices}
    book = _Book(session, list(params.values()))
    return {notice.id: _words(notice, params[notice.id], book) for notice in notices}


def path_of(session: Session, notice: Notice | None) -> str:
    """Return the page that a notice leads to, the start page for none."""
    return "/" if notice is None else words_of(session, [notice])[notice.id].path


def _words(notice: Notice, params: Mapping[str, Any], book: _Book) -> Words:
    context = _context(params, book) | {"at": notice.occurred_at, "about": notice.object_id}
    offering, issuer = context["offering"], context["issuer"]
    path = rules.PATHS[params["link"]].format(
        slug=offering.slug if offering else "", offering=offering.public_id if offering else "",
        issuer=issuer.public_id if issuer else "", commitment=params.get("commitment", ""),
        waiting=params.get("waiting", ""), complaint=params.get("complaint", ""),
        poll=params.get("poll", ""), challenge=params.get("challenge", ""), dispute=params.get("dispute", ""),
        milestone=context["milestone"].public_id if context["milestone"] else "",
        amendment=params.get("amendment", ""),
    )
    return put(notice.kind, context, path, legal=bool(params["legal"]))


def put(kind: str, context: Mapping[str, Any], path: str, *, legal: bool) -> Words:
    """Return the words of a kind of notice, filled with what its template names."""
    template = environment().get_template(f"{kind}.txt")
    parts = {name: _block(template, name, context) for name in ("subject", "body", "next")}
    return Words(
        subject=" ".join(parts["subject"].split()),
        paragraphs=tuple(" ".join(each.split()) for each in parts["body"].split("\n\n") if each.strip()),
        next_text=" ".join(parts["next"].split()),
        path=path,
        legal=legal,
    )


def _context(params: Mapping[str, Any], book: _Book) -> dict[str, Any]:
    offering = book.offerings.get(params.get("offering", 0))
    zone = offering.zone if offering else "UTC"
    currency = offering.currency if offering else "USD/2"
    return {
        **params,
        "offering": offering,
        "issuer": book.issuers.get(params.get("issuer", 0)),
        "milestone": book.milestones.get(params.get("milestone", 0)),
        "next_milestone": book.milestones.get(params.get("next_milestone", 0)),
        "party": book.parties.get(params.get("party", 0)),
        "change": book.changes.get(params.get("change", 0)),
        "update": book.updates.get(params.get("update", 0)),
        "halt": book.halts.get(params.get("halt", 0)),
        "doubt": book.challenges.get(params.get("challenge_row", 0)),
        "money": lambda minor: formats.money_text(minor, currency),
        "moment": lambda instant: formats.instant_text(instant, zone),
    }


def _read(notice: Notice) -> dict[str, Any]:
    params: dict[str, Any] = json.loads(notice.params)
    for name, value in params.items():
        if isinstance(value, str) and name.endswith(("_at", "_by", "_until")):
            params[name] = dt.datetime.fromisoformat(value)
    return params


def _block(template: jinja2.Template, name: str, context: Mapping[str, Any]) -> str:
    block = template.blocks.get(name)
    return "" if block is None else "".join(block(template.new_context(dict(context))))


@functools.cache
def environment() -> jinja2.Environment:
    """Return the environment of the words; a figure that a template names and a notice lacks is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT / "templates" / "emails"),
        extensions=["jinja2.ext.i18n"],
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    made.filters["whole"] = formats.whole_text
    return made


def _ids(params: Iterable[Mapping[str, Any]], name: str) -> set[int]:
    return {each[name] for each in params if each.get(name)}


def _by_id(session: Session, table: type[Any], ids: set[int]) -> dict[int, Any]:
    if not ids:
        return {}
    return {row.id: row for row in session.scalars(sa.select(table).where(table.id.in_(sorted(ids))))}
