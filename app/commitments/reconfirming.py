"""Decide whether a change is material, ask everybody who committed to reconfirm, and take their answers (OFF-8).

The change itself, its books and its version are ``offerings.changes``. Silence is ``reconfirm_rounds``.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars, idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.commitments import places, reconfirm_rounds, repricing
from app.commitments import service as commitments
from app.commitments.models import HOLDS_PLACE, Commitment
from app.commitments.reconfirm_models import Reconfirmation
from app.errors import Conflict, Forbidden, NotFound, Refused
from app.offerings import awaited, changes, figures, halts, rules, versions
from app.offerings import service as offerings
from app.offerings.change_models import OfferingChange
from app.offerings.models import Offering
from app.outbox import service as outbox
from milestones import money, offer

MATERIAL, NOT_MATERIAL, DECLINE = "material", "not_material", "decline"
VERDICTS = (MATERIAL, NOT_MATERIAL, DECLINE)
NO_LONGER_OPEN = "The offering was no longer open."


# -- the operator's decision ------------------------------------------------------------------------


def decide(
    session: Session, *, actor: Actor, change_id: str, verdict: str, reason: str = "", now: dt.datetime
) -> OfferingChange:
    """Decide a proposed change: ``material``, ``not_material`` or ``decline`` (sent back, nothing changes).

    What the table calls material stays material (``material_by_table``); calling more material, or declining,
    takes a reason. Nobody decides their own proposal (OFF-4). Before the first commitment there is nobody to
    reconfirm: either verdict publishes the version (OFF-2). A third material change ends the offering.
    """
    accounts.demand(actor, "operator", second_factor=True)
    found = changes.change_by_id(session, change_id)
    offering = changes.locked_offering(session, found)
    change = changes.locked(session, found)
    if change.proposed_by == actor.user_id:
        raise Forbidden("You proposed this change, so somebody else must decide about it.", code="four_eyes")
    changes.demand_undecided(change)
    awaited.demand_decidable(offering, change, now)
    halts.demand_running(offering)
    if verdict not in VERDICTS:
        raise Refused("Choose one of the decisions that the page lists.", code="verdict_unknown", field="verdict")
    is_first = changes.is_before_first(offering)
    if verdict != MATERIAL and change.kind == "update":
        verdict = NOT_MATERIAL
    if verdict == NOT_MATERIAL and change.by_table and not is_first:
        raise Refused(
            "The table of material changes names what this changes, so it is material: you may add to the table, not "
            "take away from it.",
            code="material_by_table", field="verdict",
        )
    if not reason.strip() and (verdict == DECLINE or (verdict == MATERIAL and not change.by_table)):
        raise Refused("Say why; the founder and the investors read it.", code="reason_empty", field="reason")
    change.decided_by, change.decided_at, change.decision_reason = actor.user_id, now, reason.strip() or None
    if verdict == DECLINE or (verdict == NOT_MATERIAL and change.kind == "update"):
        return _decline(session, change, actor=actor, now=now)
    carry_out(session, offering, change, is_material=verdict == MATERIAL, actor=actor, now=now)
    return change


def _decline(session: Session, change: OfferingChange, *, actor: Actor, now: dt.datetime) -> OfferingChange:
    change.state = "declined"
    if change.kind == "update" and not change.by_table:
        change.is_material = False
    session.flush()
    changes.note(session, change, "change.declined", actor=actor, now=now, reason=change.decision_reason)
    _tell(session, "change_declined", change, now)
    return change


def decide_by_silence(session: Session, change_id: int, *, now: dt.datetime) -> None:
    """Let a proposal that no operator decided take effect as material; an unreviewed first version never does.

    What would break the books by now is dropped, and the founder is told what stood in the way. It is judged by its own
    time to decide, also where the deadline came before: the deadline waits (TIM-1). What is overdue together is one
    round. A third round would end the offering, so a second operator has days of their own before it does (ADR 19).
    """
    found = session.get_one(OfferingChange, change_id)
    offering = changes.locked_offering(session, found)
    change = changes.locked(session, found)
    clock = halts.clock(offering, now)
    if change.state != "proposed" or (offering.state == "live" and change.decide_by > clock):
        return
    is_late = changes.is_before_first(offering) or change.proposed_at >= offering.deadline_at
    if offering.state != "live" or (is_late and clock >= offering.deadline_at):
        change.decided_at, change.decision_reason = now, NO_LONGER_OPEN
        _decline(session, change, actor=SYSTEM, now=now)
    elif changes.is_before_first(offering):
        _escalate(session, change, now=now)
    elif _is_third(session, offering):
        _let_silence_end(session, offering, change, now=now)
    else:
        _let_silence_decide(session, offering, now=now)


def _is_third(session: Session, offering: Offering) -> bool:
    return changes.material_count(session, offering) >= rules.MATERIAL_CHANGES_AT_MOST


def _escalate(session: Session, change: OfferingChange, *, now: dt.datetime) -> None:
    """Ask a second operator, once: silence publishes no first version."""
    if change.escalated_at is None:
        change.escalated_at = now
        changes.note(session, change, "change.escalated", now=now)
        _tell(session, "change_overdue", change, now)


def _let_silence_end(session: Session, offering: Offering, change: OfferingChange, *, now: dt.datetime) -> None:
    """Ask a second operator about a third round; after their days too it is material and ends the offering (OFF-8).

    Their days count from when they are asked. What could not be carried out ends nothing: it is dropped.
    """
    if not awaited.is_second_asked(change):
        change.decide_by = calendars.add_business_days(
            now, rules.SECOND_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone
        )
        change.escalated_at = None
        _escalate(session, change, now=now)
        return
    change.decided_at = now
    if problems := changes.problems_of(session, offering, change, now=now):
        change.decision_reason = " ".join(each.message for each in problems)
        _decline(session, change, actor=SYSTEM, now=now)
        return
    change.is_material = True
    _end_offering(session, offering, change, actor=SYSTEM, now=now)


def _let_silence_decide(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Carry out as material everything that nobody decided in time, with one round for all of it (OFF-8)."""
    carried = []
    for change in awaited.overdue(session, offering, halts.clock(offering, now)):
        change.decided_at = now
        problems = changes.problems_of(session, offering, change, now=now) or _unpaid(session, offering, change)
        if problems:
            change.decision_reason = " ".join(each.message for each in problems)
            _decline(session, change, actor=SYSTEM, now=now)
        else:
            carried.append(change)
    for change in carried:
        change.is_material = True
        _make_effective(session, offering, change, actor=SYSTEM, is_asked=True, begins=change is carried[-1], now=now)


def carry_out(
    session: Session, offering: Offering, change: OfferingChange, *, is_material: bool, actor: Actor, now: dt.datetime
) -> None:
    """Make a decided change effective and, when it is material and somebody committed, begin a round (OFF-8)."""
    is_first = changes.is_before_first(offering)
    change.is_material = None if is_first else is_material
    if is_material and not is_first and _is_third(session, offering):
        _end_offering(session, offering, change, actor=actor, now=now)
        return
    if problems := _unpaid(session, offering, change):
        raise changes.ChangeRefused(problems)
    has_round = is_material and not is_first
    _make_effective(session, offering, change, actor=actor, is_asked=has_round, begins=has_round, now=now)


def _make_effective(
    session: Session, offering: Offering, change: OfferingChange, *, actor: Actor, is_asked: bool, begins: bool,
    now: dt.datetime,
) -> None:
    """Publish the next version; ``begins`` starts the round, also for what was carried out just before."""
    due = reconfirm_due(offering, now) if is_asked else None
    changes.take_effect(session, offering, change, actor=actor, now=now, no_sooner_than=due)
    places.recount(session, offering)
    changes.note(session, change, "change.decided", actor=actor, now=now, reason=change.decision_reason)
    if begins:
        reconfirm_rounds.begin(session, offering, change, now=now)
    _tell(session, "change_effective", change, now)


def _unpaid(session: Session, offering: Offering, change: OfferingChange) -> list[rules.Problem]:
    """Say when places that a higher maximum would count as unpaid are more than its fifth (COM-13).

    Such places are paid at once or free again, and offered ones are taken or pass on, so this is soon over.
    """
    if change.kind == "update":
        return []
    version = versions.current(session, offering)
    assert version is not None
    document = offer.merge(version.document, changes.patch_in(change))
    maximum = versions.fields_of(document).maximum_minor
    unpaid = places.unpaid_under(session, offering, maximum)
    if unpaid <= maximum // 5:
        return []
    asset = money.Asset.parse(offering.currency)
    return [
        rules.Problem(
            "maximum", "unpaid_above_fifth",
            f"{money.display_amount(unpaid, asset)} of the places would count as not paid yet under the new maximum, "
            f"and such places hold at most {money.display_amount(maximum // 5, asset)} of it. Wait until they are paid "
            "or free again.",
        )
    ]


def _end_offering(
    session: Session, offering: Offering, change: OfferingChange, *, actor: Actor, now: dt.datetime
) -> None:
    """Withdraw an offering that would change materially for the third time: everybody is refunded (OFF-8, OFF-9)."""
    change.state = "ended_offering"
    session.flush()
    changes.note(session, change, "change.ended_offering", actor=actor, now=now, reason=change.decision_reason)
    reason = "It would have changed materially for the third time."
    who = "clock" if actor.is_system else "operator"
    due = commitments.refund_due(offering, now)
    offerings.move(session, offering, "withdraw", who, actor=actor, now=now, reason=reason, due=due)
    offering.end_trigger, offering.end_reason = "withdrawn", reason
    session.flush()


def reconfirm_due(offering: Offering, delivered_at: dt.datetime) -> dt.datetime:
    """Return until when somebody told at ``delivered_at`` may reconfirm: five business days later (OFF-8)."""
    return calendars.add_business_days(
        delivered_at, figures.of(offering).reconfirm_bd, code=offering.calendar, zone=offering.zone
    )


# -- the investor's answer --------------------------------------------------------------------------


def reconfirm(
    session: Session, *, actor: Actor, commitment_id: str, terms_hash: str, key: str, now: dt.datetime
) -> Commitment:
    """Bind one's commitment to the offering's present version, at its price, strictly before the last moment.

    At another price the same money buys whole tokens anew and the rest goes back; never is more charged (ADR
    0009). Same ``key``, same answer (COM-1). Raises ``Conflict`` ``terms_changed`` for another version than the
    present one (COM-2); ``Refused`` ``nothing_to_reconfirm``, ``reconfirm_too_late`` or ``buys_nothing``.
    """
    fields = {"commitment": commitment_id, "terms": terms_hash}
    earlier = idempotency.claim(session, actor=actor, operation="reconfirm", key=key, fields=fields, now=now)
    if earlier is not None:
        return commitments.by_public_id(session, earlier)
    offering, commitment = _own(session, actor, commitment_id)
    version = commitments.demand_version(session, offering, terms_hash)
    if commitment.version_number == version.number and commitment.status in HOLDS_PLACE:
        idempotency.settle(session, actor=actor, operation="reconfirm", key=key, result_ref=commitment_id)
        return commitment
    row = _open(session, offering, commitment, now)
    rest = repricing.reprice(session, offering, commitment, now=now)
    commitment.version_number, commitment.terms_version_id = version.number, version.terms_version_id
    row.answer, row.answered_at, row.answered_by = "confirmed", now, actor.user_id
    session.flush()
    idempotency.settle(session, actor=actor, operation="reconfirm", key=key, result_ref=commitment_id)
    audit.record(
        session, actor=actor, action="commitment.reconfirmed", object_id=commitment.public_id, now=now,
        before={"version": row.from_number},
        after={"version": version.number, "change": _change_of(session, row).public_id, "tokens": commitment.tokens,
               "amount_minor": commitment.amount_minor, "rest_minor": rest},
    )
    outbox.enqueue(session, "notice", {"kind": "commitment_reconfirmed", "commitment_id": commitment.id}, now=now)
    return commitment


def cancel(session: Session, *, actor: Actor, commitment_id: str, now: dt.datetime) -> Commitment:
    """Cancel instead of reconfirming: free until one's last moment to reconfirm, also past the cut-off (OFF-8)."""
    offering, commitment = _own(session, actor, commitment_id)
    if commitment.status == "cancelled":
        return commitment
    row = _open(session, offering, commitment, now)
    row.answer, row.answered_at, row.answered_by = "cancelled", now, actor.user_id
    session.flush()
    return commitments.cancel_now(session, offering, commitment, actor=actor, now=now)


def _own(session: Session, actor: Actor, commitment_id: str) -> tuple[Offering, Commitment]:
    found = commitments.by_public_id(session, commitment_id)
    if not actor.acts_for(found.party_id, "investor"):
        raise NotFound("There is no such commitment.", code="commitment_not_found")
    return commitments.locked(session, commitment_id)


def _open(session: Session, offering: Offering, commitment: Commitment, now: dt.datetime) -> Reconfirmation:
    """Return what this commitment was asked, refusing when it no longer is."""
    row = session.scalars(
        sa.select(Reconfirmation)
        .where(Reconfirmation.commitment_id == commitment.id, Reconfirmation.answer.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None or commitment.status not in HOLDS_PLACE or offering.state != "live":
        raise Conflict("There is nothing to reconfirm here any more.", code="nothing_to_reconfirm")
    if row.due_at is not None and halts.clock(offering, now) >= row.due_at:
        raise Refused(
            f"The last moment to answer was {row.due_at:%d %B %Y %H:%M} UTC. Your commitment is cancelled, and all "
            "of your money goes back.",
            code="reconfirm_too_late",
        )
    return row


def _change_of(session: Session, row: Reconfirmation) -> OfferingChange:
    return session.get_one(OfferingChange, row.change_id)


def _tell(session: Session, kind: str, change: OfferingChange, now: dt.datetime) -> None:
    outbox.enqueue(
        session, "notice", {"kind": kind, "change_id": change.id}, now=now, key=f"notice:{kind}:{change.public_id}"
    )
