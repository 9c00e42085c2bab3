"""Propose a change of a live offering, say what stands in its way, and make it effective (OFF-2, OFF-8).

Whether a change is material, and who must reconfirm after it, is decided in ``commitments.reconfirming``: this
module knows the offering, its versions and its reserved tokens, not the people who committed.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars, idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.audit.service import canonical
from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.db import public_id
from app.errors import Conflict, NotFound, Refused
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings import change_problems, deadlines, halts, rules, versions
from app.offerings import service as offerings
from app.offerings.change_models import OfferingChange
from app.offerings.models import Issuer, Offering, TokenClass
from app.offerings.rules import OfferingFields
from app.outbox import service as outbox
from milestones import document as documents
from milestones import money, offer


class ChangeRefused(Refused):
    """A change cannot take effect; ``problems`` lists everything that stands in the way."""

    code = "change_refused"

    def __init__(self, problems: list[rules.Problem]) -> None:
        super().__init__(
            "This change cannot be made: " + " ".join(each.message for each in problems), code=problems[0].code,
            field=problems[0].path,
        )
        self.problems = problems


@dataclasses.dataclass(frozen=True, slots=True)
class Proposed:
    """What the founder wants to be different; None leaves a group as it is."""

    fields: OfferingFields | None = None
    rights: str | None = None
    disclosures: Mapping[str, Any] | None = None
    document: Mapping[str, object] | None = None


def is_before_first(offering: Offering) -> bool:
    """Whether nobody has ever committed: until then a new version replaces the old one (OFF-2)."""
    return offering.commitment_count == 0


def patch_of(session: Session, offering: Offering, proposed: Proposed) -> dict[str, Any]:
    """Return what of the present version a proposal alters, as the change keeps it."""
    now = versions.current(session, offering)
    assert now is not None
    new: dict[str, Any] = {}
    if proposed.fields is not None:
        values = dataclasses.asdict(proposed.fields)
        new["figures"] = versions.figures_document({name: values[name] for name in versions.FIGURES})
        new["texts"] = {name: values[name] for name in versions.TEXTS}
    if proposed.rights is not None:
        new["class"] = {"rights": proposed.rights.strip()}
    if proposed.disclosures is not None:
        new["disclosures"] = versions.disclosures_from(proposed.disclosures)
    if proposed.document is not None:
        new["contract"] = documents.to_document(documents.parse_document(proposed.document))
    return offer.patch(now.document, new)


def propose(
    session: Session, *, actor: Actor, offering_id: str, patch: Mapping[str, Any], base_number: int, reason: str,
    key: str, now: dt.datetime,
) -> OfferingChange:
    """Propose a change of a live offering; nothing of it is effective before an operator decides, or is silent.

    Before the first commitment an operator reviews it within 5 business days and silence publishes nothing
    (OFF-2); afterwards they decide within 2 whether it is material, and silence says it is (OFF-8). ``patch`` is
    what :func:`patch_of` gave against version ``base_number``. Of two proposals at once one wins: ``Conflict``
    ``change_open``, or ``version_changed`` when the other is in effect. Raises ``Refused`` ``nothing_changed``,
    ``changes_used_up`` (a third material change is a withdrawal), or :class:`ChangeRefused`.
    """
    accounts.demand(actor, "founder", second_factor=True)
    claimed = {"offering": offering_id, "patch": canonical(patch), "base": base_number, "reason": reason}
    earlier = idempotency.claim(session, actor=actor, operation="propose_change", key=key, fields=claimed, now=now)
    if earlier is not None:
        return change_by_id(session, earlier)
    offering = live_of_founder(session, actor, offering_id, now)
    if not reason.strip():
        raise Refused("Say why you change this; everybody who committed reads it.", code="reason_empty", field="reason")
    demand_none_open(session, offering)
    if offering.version_number != base_number:
        raise Conflict(
            f"Version {offering.version_number} is published since you began. Read it, then propose again.",
            code="version_changed",
        )
    change = draft(session, offering, actor=actor, patch=patch, reason=reason, now=now)
    idempotency.settle(session, actor=actor, operation="propose_change", key=key, result_ref=change.public_id)
    return change


def draft(
    session: Session, offering: Offering, *, actor: Actor, patch: Mapping[str, Any], reason: str, now: dt.datetime,
    update_id: int | None = None, by_table: bool | None = None,
) -> OfferingChange:
    """Write a proposal, once it is clear that it could be carried out; the offering's row is locked."""
    version, judged = demand_possible(session, offering, patch, now=now, by_table=by_table)
    is_material = offer.is_material(judged) if by_table is None else by_table
    days = rules.NEW_VERSION_BUSINESS_DAYS if is_before_first(offering) else rules.CHANGE_BUSINESS_DAYS
    change = OfferingChange(
        public_id=public_id("chg"), offering_id=offering.id, number=_next_number(session, offering),
        kind="terms" if update_id is None else "update", update_id=update_id, state="proposed",
        base_number=version.number, patch=canonical(patch) or "{}", reason=reason.strip(), by_table=is_material,
        proposed_by=accounts.user_of(actor), proposed_at=now,
        decide_by=calendars.add_business_days(now, days, code=offering.calendar, zone=offering.zone),
    )
    session.add(change)
    session.flush()
    note(session, change, "change.proposed", actor=actor, now=now, reason=reason)
    outbox.enqueue(session, "notice", {"kind": "change_proposed", "change_id": change.id}, now=now,
                   key=f"notice:change_proposed:{change.public_id}")
    return change


def demand_possible(
    session: Session, offering: Offering, patch: Mapping[str, Any], *, now: dt.datetime, by_table: bool | None = None
) -> tuple[versions.Version, tuple[offer.Judged, ...]]:
    """Refuse what could not be carried out; return the version it alters and every difference, judged."""
    version = versions.current(session, offering)
    assert version is not None
    judged = offer.judge(version.document, offer.merge(version.document, patch))
    if not judged:
        raise Refused("Nothing is different from what is published.", code="nothing_changed")
    is_material = offer.is_material(judged) if by_table is None else by_table
    used_up = material_count(session, offering) >= rules.MATERIAL_CHANGES_AT_MOST
    if is_material and used_up and not is_before_first(offering):
        raise Refused(
            f"This offering has had {rules.MATERIAL_CHANGES_AT_MOST} material changes. A third one ends it: withdraw "
            "the offering, and everybody is refunded.",
            code="changes_used_up",
        )
    problems = change_problems.of(session, offering, version, patch, now=now)
    if problems:
        raise ChangeRefused(problems)
    return version, judged


def take_back(session: Session, *, actor: Actor, change_id: str, now: dt.datetime) -> OfferingChange:
    """Take one's own proposal back while nobody has decided; nothing changes and the log keeps it."""
    accounts.demand(actor, "founder", second_factor=True)
    found = change_by_id(session, change_id)
    offering = locked_offering(session, found)
    issuer = session.get_one(Issuer, offering.issuer_id)
    if not actor.acts_for(issuer.party_id, "founder"):
        raise NotFound("There is no such change.", code="change_not_found")
    change = locked(session, found)
    if change.state == "taken_back":
        return change
    demand_undecided(change)
    if change.kind == "update":
        raise Refused("What you told everybody cannot be taken back; an operator decides about it.", code="is_told")
    change.state, change.decided_at = "taken_back", now
    session.flush()
    note(session, change, "change.taken_back", actor=actor, now=now)
    return change


def take_effect(
    session: Session, offering: Offering, change: OfferingChange, *, actor: Actor, now: dt.datetime,
    no_sooner_than: dt.datetime | None = None,
) -> None:
    """Make a proposal the offering's next version: figures, rights, texts, contract, reserved tokens (OFF-1, OFF-2).

    Offering and change are locked. ``no_sooner_than`` is the earliest deadline that leaves everybody their days.
    Raises :class:`ChangeRefused` when it would break the books by now; then nothing changes.
    """
    version = versions.current(session, offering)
    assert version is not None
    patch = patch_in(change)
    problems = change_problems.of(session, offering, version, patch, now=now)
    if problems:
        raise ChangeRefused(problems)
    document = offer.merge(version.document, patch)
    reserved_before = _reserved(offering)
    _apply(session, offering, document, patch)
    if "contract" in patch:
        _publish_contract(session, offering, document, change, now)
    if no_sooner_than is not None:
        offering.deadline_at = max(offering.deadline_at, deadlines.same_time_after(offering, no_sooner_than))
    if "deadline_at" in patch.get("figures", {}) or no_sooner_than is not None:
        offering.cancel_until = deadlines.cut_off(offering, offering.deadline_at)
        offering.step_due_at = offering.deadline_at
    if is_before_first(offering):
        offering.open_since = now
    _follow_maximum(session, offering, reserved_before, change, now)
    published = versions.publish_with(
        session, offering, updates=document["updates"], published_by=change.proposed_by, now=now
    )
    change.state, change.version_number = "effective", published.number
    session.flush()
    audit.record(
        session, actor=actor, action="offering.version_published", object_id=offering.public_id, now=now,
        before={"version": version.public_id}, after=offerings.told_figures(session, offering),
    )


def problems_of(
    session: Session, offering: Offering, change: OfferingChange, *, now: dt.datetime
) -> list[rules.Problem]:
    """Return what stands in the way of a proposal by now."""
    version = versions.current(session, offering)
    assert version is not None
    return change_problems.of(session, offering, version, patch_in(change), now=now)


def _apply(session: Session, offering: Offering, document: Mapping[str, Any], patch: Mapping[str, Any]) -> None:
    for name in patch.get("figures", {}):
        setattr(offering, name, versions.figure(document, name))
    for name, text in patch.get("texts", {}).items():
        setattr(offering, name, text)
    if "disclosures" in patch:
        offering.disclosures = canonical(document["disclosures"]) or "{}"
    if "class" in patch:
        session.get_one(TokenClass, offering.token_class_id).rights = document["class"]["rights"]
    if "maximum_minor" in patch.get("figures", {}):
        is_first_come = offering.allotment == "first_come"
        offering.accept_up_to_minor = (
            offering.maximum_minor if is_first_come else max(offering.accept_up_to_minor, offering.maximum_minor)
        )
    session.flush()


def _publish_contract(
    session: Session, offering: Offering, document: Mapping[str, Any], change: OfferingChange, now: dt.datetime
) -> None:
    contract = contract_queries.contract(session, offering.contract_id)
    terms = documents.parse_document(document["contract"])
    published = contracts.publish_again(
        session, contract=contract, offering_id=offering.id, terms=terms, actor=Actor(change.proposed_by),
        object_id=offering.public_id, now=now,
    )
    moved = offering.long_stop_at - contract_queries.published_terms(
        session, offering.terms_version_id or 0
    ).terms.long_stop_at()
    offering.terms_version_id, offering.long_stop_at = published.id, terms.long_stop_at() + moved


def _reserved(offering: Offering) -> int:
    return money.tokens_for(offering.maximum_minor, offering.price_micro, money.Asset.parse(offering.currency))


def _follow_maximum(
    session: Session, offering: Offering, before: int, change: OfferingChange, now: dt.datetime
) -> None:
    """Reserve tokens for the whole of the new maximum at the new price, in one journal (OFF-1)."""
    more = _reserved(offering) - before
    if not more:
        return
    token_class = session.get_one(TokenClass, offering.token_class_id)
    reserved = chart.reserved(offering.public_id, token_class.asset)
    unissued = chart.unissued(token_class.public_id, token_class.asset)
    taken, given = (reserved, unissued) if more > 0 else (unissued, reserved)
    ledger.post(
        session, kind="maximum_changed", key=f"change:{change.public_id}:reserved", cause=change.public_id,
        offering_id=offering.id, occurred_at=now,
        lines=[ledger.debit(taken, abs(more)), ledger.credit(given, abs(more))],
    )


# -- reading and locking ----------------------------------------------------------------------------


def live_of_founder(session: Session, actor: Actor, offering_id: str, now: dt.datetime) -> Offering:
    """Return the founder's own live offering, locked; raises ``NotFound`` or ``Refused`` ``not_open``."""
    offering = offerings.locked(session, offering_id)
    issuer = session.get_one(Issuer, offering.issuer_id)
    if not actor.acts_for(issuer.party_id, "founder"):
        raise NotFound("There is no such offering.", code="offering_not_found")
    demand_live(offering, now)
    return offering


def demand_live(offering: Offering, now: dt.datetime) -> None:
    """Refuse a change outside the raise; afterwards the investors amend (MIL-13)."""
    if offering.state != "live" or halts.clock(offering, now) >= offering.deadline_at:
        raise Refused(
            "Only an open offering can be changed this way. After the close the investors decide about changes.",
            code="not_open",
        )


def demand_none_open(session: Session, offering: Offering) -> None:
    """Refuse a second proposal while one waits; the offering's lock makes two at once one after the other."""
    waiting = session.scalar(
        sa.select(OfferingChange.public_id).where(
            OfferingChange.offering_id == offering.id, OfferingChange.state == "proposed",
            OfferingChange.kind == "terms",
        )
    )
    if waiting is not None:
        raise Conflict(
            "A change of this offering is proposed already and waits for an operator. Take it back first, or wait.",
            code="change_open", facts={"change": waiting},
        )


def demand_undecided(change: OfferingChange) -> None:
    """Refuse an act on a change that was decided or taken back."""
    if change.state != "proposed":
        words = {"effective": "is in effect", "declined": "was sent back", "taken_back": "was taken back",
                 "ended_offering": "ended the offering"}
        raise Conflict(f"This change {words[change.state]} already.", code="change_decided",
                       facts={"state": change.state})


def material_count(session: Session, offering: Offering) -> int:
    """Return how many rounds material changes began after the first commitment; decided at once they share one."""
    return session.scalar(
        sa.select(sa.func.count(sa.distinct(OfferingChange.decided_at))).where(
            OfferingChange.offering_id == offering.id, OfferingChange.state == "effective",
            OfferingChange.is_material.is_(True),
        )
    ) or 0


def change_by_id(session: Session, change_id: str) -> OfferingChange:
    """Return a change by its public id; raises ``NotFound``."""
    change = session.scalars(sa.select(OfferingChange).where(OfferingChange.public_id == change_id)).one_or_none()
    if change is None:
        raise NotFound("There is no such change.", code="change_not_found")
    return change


def locked_offering(session: Session, change: OfferingChange) -> Offering:
    """Lock the change's offering, which comes first everywhere."""
    return session.get_one(Offering, change.offering_id, with_for_update=True, populate_existing=True)


def locked(session: Session, change: OfferingChange) -> OfferingChange:
    """Lock a change; its offering is locked already."""
    return session.get_one(OfferingChange, change.id, with_for_update=True, populate_existing=True)


def patch_in(change: OfferingChange) -> dict[str, Any]:
    """Return the patch that a change keeps."""
    return json.loads(change.patch)  # type: ignore[no-any-return]


def told(change: OfferingChange) -> dict[str, object]:
    """Return everything that the log keeps of a change, so that the self-check can compare the row with it."""
    names = (
        "number", "kind", "update_id", "state", "base_number", "by_table", "proposed_by", "is_material",
        "decided_by", "version_number",
    )
    values = {name: getattr(change, name) for name in names}
    for name in ("by_table", "is_material"):
        values[name] = None if values[name] is None else int(values[name])
    return {**values, "offering_id": change.offering_id, "patch": versions.content_hash(change.patch)}


def note(
    session: Session, change: OfferingChange, action: str, *, actor: Actor = SYSTEM, now: dt.datetime,
    reason: str | None = None,
) -> None:
    """Log what became of a change, with the whole row (PPL-5)."""
    audit.record(
        session, actor=actor, action=action, object_id=change.public_id, now=now, after=told(change), reason=reason
    )


def _next_number(session: Session, offering: Offering) -> int:
    highest = session.scalar(
        sa.select(sa.func.max(OfferingChange.number)).where(OfferingChange.offering_id == offering.id)
    )
    return (highest or 0) + 1
