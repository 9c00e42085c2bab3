"""Time to think before a first offer, where a regime asks for it: request, wait, choose (COBS 4.12A).

Kept as acknowledgements: when the investor asked to go on, when they chose to after the wait, and the hash of the
warning each time. How long the wait is, and whether it is over, is the regime's rule.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.accounts.models import Party
from app.audit import service as audit
from app.errors import Conflict, Refused
from app.investors import rules, service
from app.investors.models import Acknowledgement
from app.regimes import settings
from app.regimes.rules import Decision, decide

REGIME = "uk.fca"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an investor stands: when the first offer was asked for, and when it was chosen after the wait."""

    requested_at: dt.datetime | None
    chosen_at: dt.datetime | None


def hours(regime: str, day: dt.date) -> int:
    """Return for how long a first offer is not shown under a regime; 0 where there is no such time."""
    return settings.of(regime, day).cooling_off_hours


def standing(session: Session, party_id: int, regime: str) -> Standing:
    """Return what an investor has asked for and chosen under a regime; once for all of its offerings."""
    found = {
        row.kind: row.acknowledged_at
        for row in session.scalars(sa.select(Acknowledgement).where(
            Acknowledgement.about == _about(session, party_id, regime),
            Acknowledgement.kind.in_([rules.COOLING_REQUESTED, rules.COOLING_CHOSEN]),
        ))
    }
    return Standing(found.get(rules.COOLING_REQUESTED), found.get(rules.COOLING_CHOSEN))


def judge(found: Standing, day: dt.date, *, now: dt.datetime) -> Decision:
    """Ask the rule whether the offer may be shown and an order taken."""
    return decide(
        REGIME, "cooling_off", day=day, first_direct_offer_from_this_firm=True,
        requested=found.requested_at or now, now=now, actively_chose_to_proceed=found.chosen_at is not None,
    )


def request(
    session: Session, *, actor: Actor, party_id: int, regime: str, wording_hash: str, now: dt.datetime
) -> None:
    """Ask for the first offer: the time to think begins. A second request changes nothing."""
    service.demand_investor(actor, party_id)
    _demand_wording(wording_hash)
    service.locked_party(session, party_id)
    if standing(session, party_id, regime).requested_at is None:
        _keep(session, actor, party_id, regime, rules.COOLING_REQUESTED, now)


def choose(
    session: Session, *, actor: Actor, party_id: int, regime: str, day: dt.date, wording_hash: str, now: dt.datetime
) -> None:
    """Choose to go on after the wait; raises ``Refused`` ``cooling_off`` before, naming the instant."""
    service.demand_investor(actor, party_id)
    _demand_wording(wording_hash)
    service.locked_party(session, party_id)
    found = standing(session, party_id, regime)
    if found.chosen_at is not None:
        return
    if found.requested_at is None or "cooling_off" in judge(found, day, now=now).reasons:
        raise _too_soon(found, hours(regime, day))
    _keep(session, actor, party_id, regime, rules.COOLING_CHOSEN, now)


def demand(session: Session, party_id: int, regime: str, day: dt.date, *, now: dt.datetime) -> list[Decision]:
    """Refuse an order before the wait is over and the investor chose to go on; return the answer to be stored."""
    wait = hours(regime, day)
    if not wait:
        return []
    found = standing(session, party_id, regime)
    asked = judge(found, day, now=now)
    if not asked.allowed:
        raise _too_soon(found, wait)
    return [asked]


def _too_soon(found: Standing, wait: int) -> Refused:
    if found.requested_at is None:
        words = f"Read the warning first and ask to go on. Then there are {wait} hours to think."
    else:
        until = found.requested_at + dt.timedelta(hours=wait)
        words = f"You have time to think until {until:%d %B %Y %H:%M:%S} UTC; then choose whether to go on."
    return Refused(words, code="cooling_off", facts={"reasons": ["cooling_off"], "steps": ["cooling"]})


def _demand_wording(wording_hash: str) -> None:
    if wording_hash != rules.COOLING_WORDING_HASH:
        raise Conflict("The warning has changed. Read it again.", code="wording_changed")


def _keep(session: Session, actor: Actor, party_id: int, regime: str, kind: str, now: dt.datetime) -> None:
    about = _about(session, party_id, regime)
    service.acknowledge(
        session, actor=actor, party_id=party_id, kind=kind, about=about, wording_hash=rules.COOLING_WORDING_HASH,
        now=now,
    )
    session.flush()
    audit.record(
        session, actor=actor, action=f"investor.{kind}", object_id=about, now=now,
        after={"regime": regime, "wording": rules.COOLING_WORDING_HASH},
    )


def _about(session: Session, party_id: int, regime: str) -> str:
    return f"{session.get_one(Party, party_id).public_id}:{regime}"
