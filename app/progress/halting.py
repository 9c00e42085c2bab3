"""Halt an offering, lengthen a halt, and end it (OFF-13).

While it runs the offering's own clock stands still (``app.offerings.halts``); when it ends every open instant of
the offering moves by its length, here and nowhere else. What follows when nobody ends it is ``outcomes``.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars, idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.db import public_id
from app.errors import Conflict, Forbidden, NotFound, Refused
from app.offerings import service as offerings
from app.offerings import undecided
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress import authority, polls, tolling
from app.progress.halt_models import Halt

HALTABLE = ("live", "clearing", "active")
END_BUSINESS_DAYS = 10
DAYS_IN_ALL = 60
LIFTED, WITHDRAWN, WENT_ON, WOUND_DOWN, ENDED_WITH_IT = "lifted", "withdrawn", "went_on", "wound_down", "offering_ended"

#: What everybody reads of a halt under secrecy, whatever its reason (PPL-4).
NEUTRAL_TEXT = (
    "Milestake has paused this offering for a check. Nothing is wrong with your account. You will be told as soon as "
    "there is something to tell."
)


def running(session: Session, offering_id: int) -> Halt | None:
    """Return the halt that runs, None when there is none."""
    query = sa.select(Halt).where(Halt.offering_id == offering_id, Halt.ended_at.is_(None))
    return session.scalars(query).one_or_none()


def latest_end(offering: Offering, now: dt.datetime) -> dt.datetime:
    """Return the latest end that one operator may set: ten business days."""
    return calendars.add_business_days(now, END_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone)


def longest_end(session: Session, offering: Offering, halt: Halt) -> dt.datetime:
    """Return the latest end of a halt without an authority's order: 60 days in all, with earlier halts."""
    return halt.placed_at + dt.timedelta(days=DAYS_IN_ALL, seconds=-offering.halted_seconds)


def place(
    session: Session,
    *,
    actor: Actor,
    offering_id: str,
    reason: str,
    public_text: str,
    ends_at: dt.datetime,
    is_secret: bool = False,
    key: str,
    now: dt.datetime,
) -> Halt:
    """Halt an offering until ``ends_at``, at most ten business days away; who places it is its owner (OFF-13).

    Refused: ``reason_empty``, ``public_text_empty``, ``halt_end_past``, ``halt_too_long`` (a second operator may
    lengthen it), ``halt_60_days``; ``Conflict`` ``halted_already``, ``not_haltable`` for an offering that neither
    takes money nor runs, ``closing_now`` at its deadline, unless that waits for a change. Under secrecy the public
    text is the fixed neutral one.
    """
    accounts.demand(actor, "operator", second_factor=True)
    fields = {"offering": offering_id, "reason": reason, "text": public_text, "ends_at": ends_at.isoformat(),
              "secret": is_secret}
    earlier = idempotency.claim(session, actor=actor, operation="place_halt", key=key, fields=fields, now=now)
    if earlier is not None:
        return by_public_id(session, earlier)
    offering = offerings.locked(session, offering_id)
    _demand_texts(reason, public_text, is_secret=is_secret)
    _demand_haltable(session, offering, now)
    if ends_at <= now:
        raise Refused("Choose an end in the future.", code="halt_end_past", field="end")
    if ends_at > latest_end(offering, now):
        raise Refused(
            f"Choose an end within {END_BUSINESS_DAYS} business days. A second operator may lengthen the halt.",
            code="halt_too_long", field="end",
        )
    halt = Halt(
        public_id=public_id("hlt"), offering_id=offering.id, state="open", reason=reason.strip(),
        public_text=NEUTRAL_TEXT if is_secret else public_text.strip(), is_secret=is_secret,
        placed_by=accounts.user_of(actor), placed_at=now, ends_at=ends_at, ends_set_by=accounts.user_of(actor),
        extensions=0, seconds=0,
    )
    if ends_at > longest_end(session, offering, halt):
        raise _too_long_in_all()
    session.add(halt)
    offering.halted_since = now
    session.flush()
    idempotency.settle(session, actor=actor, operation="place_halt", key=key, result_ref=halt.public_id)
    _log(session, halt, "placed", actor=actor, now=now, reason=halt.reason)
    _tell(session, "halt_placed", halt, now)
    return halt


def _demand_texts(reason: str, public_text: str, *, is_secret: bool) -> None:
    if not reason.strip():
        raise Refused("Say why; the reason is kept in the log.", code="reason_empty", field="reason")
    if not is_secret and not public_text.strip():
        raise Refused("Write what everybody reads on the offering's page.", code="public_text_empty",
                      field="public_text")


def _demand_haltable(session: Session, offering: Offering, now: dt.datetime) -> None:
    if offering.halted_since is not None:
        raise Conflict("This offering is halted already.", code="halted_already")
    if offering.state not in HALTABLE:
        raise Conflict("Only an offering that takes money or runs can be halted.", code="not_haltable")
    is_over = offering.state == "live" and now >= offering.deadline_at
    if is_over and not undecided.is_held_open(session, offering):
        raise Conflict("Its deadline has come and it closes now. Try again after that.", code="closing_now")


def _too_long_in_all() -> Refused:
    return Refused(
        f"An offering is halted for at most {DAYS_IN_ALL} days in all, unless an authority's order is attached.",
        code="halt_60_days", field="end",
    )


def extend(
    session: Session,
    *,
    actor: Actor,
    halt_id: str,
    ends_at: dt.datetime,
    reason: str,
    document: authority.Document | None = None,
    key: str,
    now: dt.datetime,
) -> Halt:
    """Lengthen a halt; another operator than the one who set the present end (OFF-13).

    Beyond 60 days in all an authority's order is needed, as a document. Raises ``Forbidden`` ``four_eyes``, ``Refused``
    ``halt_not_longer``, ``halt_60_days``, ``order_document``; ``Conflict`` ``halt_over`` once its end has come.
    """
    accounts.demand(actor, "operator", second_factor=True)
    fields = {"halt": halt_id, "ends_at": ends_at.isoformat(), "reason": reason,
              "order": document.reference if document else "", "sha256": document.sha256 if document else ""}
    earlier = idempotency.claim(session, actor=actor, operation="extend_halt", key=key, fields=fields, now=now)
    if earlier is not None:
        return by_public_id(session, earlier)
    offering, halt = _locked(session, halt_id)
    _demand_open(halt, now)
    if not reason.strip():
        raise Refused("Say why it must last longer.", code="reason_empty", field="reason")
    if halt.ends_set_by == actor.user_id:
        raise Forbidden("You set its present end, so another operator must lengthen it.", code="four_eyes")
    if ends_at <= halt.ends_at:
        raise Refused("Choose a later end than the present one.", code="halt_not_longer", field="end")
    if document is not None:
        attached = authority.attach(session, actor=actor, about=halt.public_id, document=document, now=now)
        halt.order_reference, halt.order_sha256 = attached.reference, attached.sha256
    if ends_at > longest_end(session, offering, halt) and halt.order_sha256 is None:
        raise _too_long_in_all()
    halt.ends_at, halt.ends_set_by = ends_at, accounts.user_of(actor)
    halt.extensions += 1
    idempotency.settle(session, actor=actor, operation="extend_halt", key=key, result_ref=halt.public_id)
    _log(session, halt, "extended", actor=actor, now=now, reason=reason.strip())
    _tell(session, "halt_extended", halt, now, part=str(halt.extensions))
    return halt


def lift(session: Session, *, actor: Actor, halt_id: str, reason: str, now: dt.datetime) -> Halt:
    """End a halt before its end; every open instant moves by the time it lasted (OFF-13).

    Raises ``Conflict`` ``vote_open`` while investors decide, ``halt_over`` when it has ended.
    """
    accounts.demand(actor, "operator", second_factor=True)
    offering, halt = _locked(session, halt_id)
    if not reason.strip():
        raise Refused("Say why the halt ends.", code="reason_empty", field="reason")
    if offering.state != "winding_down" or halt.state == "ended":
        _demand_open(halt, now)
    end(session, offering, halt, outcome=LIFTED, actor=actor, reason=reason.strip(), now=now)
    _tell(session, "halt_lifted", halt, now)
    return halt


def _demand_open(halt: Halt, now: dt.datetime) -> None:
    if halt.state == "voting":
        raise Conflict("Its end has come and the investors decide now.", code="vote_open")
    if halt.state == "ended" or now >= halt.ends_at:
        raise Conflict("This halt is over.", code="halt_over")


def end(
    session: Session, offering: Offering, halt: Halt, *, outcome: str, actor: Actor = SYSTEM, reason: str,
    now: dt.datetime,
) -> None:
    """Let the offering's clock run again: move its instants, unless it gives everything back anyway."""
    seconds = 0
    before = halt.state
    if outcome not in (WITHDRAWN, ENDED_WITH_IT):
        seconds = tolling.whole_seconds(now - halt.placed_at)
        tolling.move_everything(session, offering, halt, seconds=seconds, now=now)
    halt.state, halt.ended_at, halt.outcome, halt.end_reason = "ended", now, outcome, reason
    halt.ended_by = None if actor.is_system else accounts.user_of(actor)
    halt.seconds = seconds
    offering.halted_since = None
    offering.halted_seconds += seconds
    session.flush()
    _log(session, halt, "ended", actor=actor, now=now, reason=reason, before=before)


def put_to_vote(session: Session, offering: Offering, halt: Halt, *, now: dt.datetime) -> None:
    """Ask the investors of a running offering whether it goes on, for ten business days (OFF-13)."""
    halt.state = "voting"
    session.flush()
    _log(session, halt, "voting", now=now, before="open")
    ends_at = polls.vote_end(offering, now)
    polls.open_poll(session, offering, kind=polls.HALT, halt_id=halt.id, ends_at=ends_at, now=now)


def reopen(session: Session, halt: Halt, *, now: dt.datetime) -> None:
    """Take a halt back from the vote: the plan ends another way, and an operator ends the halt when it is time."""
    halt.state = "open"
    _log(session, halt, "reopened", now=now, before="voting")


def end_before_wind_down(session: Session, offering: Offering, *, actor: Actor, now: dt.datetime) -> None:
    """End a halt because an operator orders the wind-down; a vote under way is dropped with it (WND-1)."""
    halt = running(session, offering.id)
    if halt is None:
        return
    if not actor.is_system and not actor.has_role("operator"):
        raise Refused("The offering is halted. You can give the plan up once the halt has ended.", code="halted")
    poll = polls.open_of(session, offering.id, polls.HALT)
    if poll is not None:
        polls.close(session, poll, polls.DROPPED, now=now)
    end(session, offering, halt, outcome=WOUND_DOWN, actor=actor, reason="The plan is wound down.", now=now)


def by_public_id(session: Session, halt_id: str) -> Halt:
    """Return a halt; raises ``NotFound``."""
    halt = session.scalars(sa.select(Halt).where(Halt.public_id == halt_id)).one_or_none()
    if halt is None:
        raise NotFound("There is no such halt.", code="halt_not_found")
    return halt


def _locked(session: Session, halt_id: str) -> tuple[Offering, Halt]:
    halt = by_public_id(session, halt_id)
    offering = session.get_one(Offering, halt.offering_id, with_for_update=True, populate_existing=True)
    session.refresh(halt)
    return offering, halt


def told(session: Session, halt: Halt) -> dict[str, object]:
    """Return what the log keeps of a halt; the self-check compares the row with the last of them."""
    names = (
        "state", "is_secret", "placed_by", "placed_at", "ends_at", "ends_set_by", "extensions", "order_reference",
        "order_sha256", "ended_at", "ended_by", "outcome", "seconds",
    )
    values = {name: getattr(halt, name) for name in names}
    offering = session.get_one(Offering, halt.offering_id)
    return values | {"offering": offering.public_id, "is_secret": int(halt.is_secret)}


def _log(
    session: Session, halt: Halt, verb: str, *, actor: Actor = SYSTEM, now: dt.datetime, reason: str | None = None,
    before: str | None = None,
) -> None:
    session.flush()
    audit.record(
        session, actor=actor, action=f"halt.{verb}", object_id=halt.public_id, now=now, reason=reason,
        before={"state": before} if before else None, after=told(session, halt),
    )


def _tell(session: Session, kind: str, halt: Halt, now: dt.datetime, *, part: str = "") -> None:
    outbox.enqueue(
        session, "notice", {"kind": kind, "halt_id": halt.id}, now=now, key=f"notice:{kind}:{halt.public_id}:{part}"
    )
