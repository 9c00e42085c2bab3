"""Compare new terms with those in force, and name everything that stands in the way of a vote on them (MIL-13).

Reads only. What is adverse and what may not be touched is ``milestones.amend``; here are the facts that it does not
have: other proposals, auditors, the calendar, the rail's limit.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.contracts import amended
from app.contracts import queries as contract_queries
from app.contracts.queries import Published
from app.errors import Refused
from app.offerings import admission, independence
from app.offerings.models import Offering
from app.progress import polls
from app.progress.amendment_models import Amendment
from milestones import amend, diff, lint
from milestones import document as documents
from milestones.reader import ContractError
from milestones.terms import Terms


@dataclass(frozen=True, slots=True)
class Proposal:
    """New terms compared with those in force, and everything that stands in the way of putting them to the vote."""

    current: Published
    terms: Terms
    judged: amend.Judged
    objections: tuple[amend.Objection, ...]

    @property
    def changes(self) -> tuple[diff.Change, ...]:
        """What differs, in the order of the document."""
        return diff.diff(self.current.terms, self.terms)


def examine(session: Session, offering: Offering, document: Mapping[str, Any], *, now: dt.datetime) -> Proposal:
    """Compare a document with the terms in force; writes nothing. Raises ``Refused`` ``contract_unreadable``."""
    try:
        terms = documents.parse_document(document)
    except ContractError as error:
        first = error.problems[0]
        raise Refused(f"{first.path}: {first.message}", code="contract_unreadable", field="document") from error
    current = contract_queries.published_terms(session, offering.terms_version_id or 0)
    first_terms = first_of(session, offering)
    rows = contract_queries.milestones_of(session, offering.contract_id)
    judged = amend.judge(current.terms, terms, first_terms, {row.key: row.state for row in rows})
    found = [*judged.objections]
    if not found:
        found += [
            *_lint_objections(offering, current.terms, terms),
            *_date_objections(offering, current.terms, terms, judged, now),
            *_seat_objections(session, offering, current.terms, terms),
            *_hold_objections(session, offering, current.terms, terms, now),
            *_waiting_objections(session, offering, judged, now),
        ]  # fmt: skip
    return Proposal(current, terms, judged, tuple(found))


def first_of(session: Session, offering: Offering) -> Terms:
    """Return the terms that the plan began with, which the cap over all amendments is measured by."""
    version = amended.first_version(session, offering.contract_id, offering.closed_at or offering.state_since)
    return contract_queries.published_terms(session, version.id).terms


def _lint_objections(offering: Offering, current: Terms, terms: Terms) -> Iterator[amend.Objection]:
    """Judge the new terms as a whole; what the terms in force have already is nothing new."""
    context = lint.LintContext(deadline_at=offering.deadline_at)
    known = {(each.path, each.code) for each in lint.lint(current, context)}
    for finding in lint.lint(terms, context):
        if finding.severity != lint.RELAXED and (finding.path, finding.code) not in known:
            yield amend.Objection(finding.code, finding.message)


def _date_objections(
    offering: Offering, current: Terms, terms: Terms, judged: amend.Judged, now: dt.datetime
) -> Iterator[amend.Objection]:
    """Refuse a last moment that comes before the proposal could take effect."""
    effect_at = polls.vote_end(offering, now)
    if judged.is_adverse:
        effect_at = polls.vote_end(offering, effect_at)
    before = {each.key: each for each in current.milestones}
    for milestone in terms.milestones:
        old = before.get(milestone.key)
        is_new = old is None or old.long_stop != milestone.long_stop
        if is_new and milestone.long_stop_at(terms.zone) <= effect_at:
            yield amend.Objection(
                "amendment_date_past", f"“{milestone.title}” would be past its last date when this takes effect.",
                milestone.key,
            )


def _seat_objections(
    session: Session, offering: Offering, current: Terms, terms: Terms
) -> Iterator[amend.Objection]:
    """Refuse panels that are incomplete, unknown here, or not independent (MIL-8, MIL-9)."""
    before = {each.key: each.auditors for each in current.milestones}
    known = {auditor.public_id for auditor in people.auditors(session)}
    for milestone in terms.milestones:
        if before.get(milestone.key) == milestone.auditors and milestone.key in before:
            continue
        if len(milestone.auditors) != milestone.quorum.auditors:
            yield amend.Objection(
                "panel_incomplete",
                f"“{milestone.title}” needs {milestone.quorum.auditors} auditors; {len(milestone.auditors)} are named.",
                milestone.key,
            )
        elif set(milestone.auditors) - known:
            yield amend.Objection(
                "auditor_unknown", f"“{milestone.title}” names somebody who is no approved auditor here.",
                milestone.key,
            )
        else:
            try:
                independence.demand_independent_panel(session, offering, milestone.auditors, field="document")
            except Refused as error:
                yield amend.Objection(error.code, error.message, milestone.key)


def _hold_objections(
    session: Session, offering: Offering, current: Terms, terms: Terms, now: dt.datetime
) -> Iterator[amend.Objection]:
    """Refuse a plan that could last longer than the rail may hold its money (OFF-14)."""
    if terms.long_stop <= current.long_stop:
        return
    for problem in admission.problems(session, offering, now=now, terms=terms):
        if problem.code == "beyond_hold_limit":
            yield amend.Objection(problem.code, problem.message)


def _waiting_objections(
    session: Session, offering: Offering, judged: amend.Judged, now: dt.datetime
) -> Iterator[amend.Objection]:
    """Let a subject rest for 60 days after a no; taking a proposal back after it was put is one too."""
    since = now - dt.timedelta(days=amend.WAIT_DAYS)
    for earlier in session.scalars(
        sa.select(Amendment).where(
            Amendment.offering_id == offering.id, Amendment.state.in_(["fell", "withdrawn"]), Amendment.ended_at > since
        ).order_by(Amendment.id.desc())
    ):
        if set(json.loads(earlier.subjects)) & set(judged.subjects) and earlier.ended_at is not None:
            until = earlier.ended_at + dt.timedelta(days=amend.WAIT_DAYS)
            yield amend.Objection(
                "amendment_waits",
                f"Investors were asked about the same and did not agree. It can be proposed again after "
                f"{until:%d %B %Y}.",
            )
            return
