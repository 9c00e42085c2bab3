"""Take declarations, answers and acknowledgements of investors, and decide whether they may commit (COM-9, PPL-3).

Checking who somebody is, is ``identity``; how much they may commit is decided where it is committed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping

from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.accounts.models import Party
from app.audit import service as audit
from app.errors import Conflict, Forbidden, NotFound, Refused
from app.investors import queries, rules
from app.investors.models import Acknowledgement, Declaration, UnderstandingAttempt
from milestones import money
from milestones.apportion import WHOLE_BP


def demand_investor(actor: Actor, party_id: int) -> None:
    """Refuse unless ``actor`` invests for this party; another's party does not exist for them."""
    accounts.demand(actor, "investor")
    if not actor.acts_for(party_id, "investor"):
        raise NotFound("There is no such investor.", code="party_not_found")


def locked_party(session: Session, party_id: int) -> Party:
    """Lock a party, so that two tabs of one investor come one after the other."""
    return session.get_one(Party, party_id, with_for_update={"key_share": True})


# -- the gate ---------------------------------------------------------------------------------------


def demand_may_commit(
    session: Session,
    party_id: int,
    *,
    now: dt.datetime,
    understanding_months: int = rules.UNDERSTANDING_MONTHS,
) -> None:
    """Refuse a new commitment until the investor is verified, has declared and has understood (PPL-3).

    All that is missing is said, in the order of the steps that mend it; the refusal's code is the first
    one's, ``facts['reasons']`` holds them all. An expiry stops new commitments only, never a refund.
    """
    reasons = queries.missing(queries.standing(session, party_id), now, understanding_months=understanding_months)
    if reasons:
        raise Refused(
            " ".join(reason.message for reason in reasons), code=reasons[0].code,
            facts={"reasons": [reason.code for reason in reasons], "steps": [reason.step for reason in reasons]},
        )


# -- acknowledgements -------------------------------------------------------------------------------


def demand_risk_wording(wording_hash: str) -> None:
    """Refuse a hash that is not of the statements shown today (``Conflict`` ``wording_changed``)."""
    if wording_hash != rules.RISK_WORDING_HASH:
        raise Conflict(
            "The statements that you confirm have changed. Read and confirm them again.", code="wording_changed"
        )


def acknowledge(
    session: Session, *, actor: Actor, party_id: int, kind: str, about: str, wording_hash: str, now: dt.datetime
) -> Acknowledgement:
    """Keep that a person confirmed a wording for ``about`` (a public id), once for each kind."""
    row = Acknowledgement(
        party_id=party_id, user_id=actor.user_id or 0, kind=kind, about=about, wording_hash=wording_hash,
        acknowledged_at=now,
    )
    session.add(row)
    return row


# -- declarations -----------------------------------------------------------------------------------


def declare(
    session: Session,
    *,
    actor: Actor,
    party_id: int,
    category: str,
    income_minor: int,
    net_worth_minor: int,
    currency: str,
    wording_hash: str,
    now: dt.datetime,
    elsewhere_minor: int = 0,
    invested_bp: int | None = None,
    intends_bp: int | None = None,
) -> Declaration:
    """Keep what an investor says of their category, yearly income and net worth (minor units); the latest counts.

    ``elsewhere_minor`` is what they put into companies on other platforms within the last twelve months;
    ``invested_bp`` and ``intends_bp`` are a restricted investor's own percentages of net assets, which the hash kept
    is of, too. It is good for 12 months. Raises ``Refused`` (``category_unknown``, ``amount_negative``,
    ``percentages_missing``), ``Conflict`` (``wording_changed``) when the statement shown is no longer the one to
    confirm.
    """
    demand_investor(actor, party_id)
    if category not in rules.CATEGORIES:
        raise Refused("Choose what describes you.", code="category_unknown", field="category")
    amounts = {"income": income_minor, "net_worth": net_worth_minor, "elsewhere": elsewhere_minor}
    for field, amount in amounts.items():
        if amount < 0:
            raise Refused("Enter zero or more.", code="amount_negative", field=field)
    if wording_hash != rules.hash_of(rules.declaration_wording(category)):
        raise Conflict("The statement that you confirm has changed. Read and confirm it again.", code="wording_changed")
    confirmed_hash, percentages = _percentages(category, wording_hash, invested_bp, intends_bp)
    locked_party(session, party_id)
    row = Declaration(
        party_id=party_id, user_id=accounts.user_of(actor), category=category, income_minor=income_minor,
        net_worth_minor=net_worth_minor, elsewhere_minor=elsewhere_minor,
        currency=str(money.Asset.parse(currency)), wording_hash=confirmed_hash, **percentages,
        declared_at=now, valid_until=rules.add_months(now, rules.DECLARATION_MONTHS),
    )
    session.add(row)
    session.flush()
    acknowledge(
        session, actor=actor, party_id=party_id, kind="declaration", about=row.public_id,
        wording_hash=confirmed_hash, now=now,
    )
    # Income and net worth stay out of the log (PPL-6).
    audit.record(
        session, actor=actor, action="investor.declared", object_id=row.public_id, now=now,
        after={"category": category, "valid_until": row.valid_until},
    )
    return row


def _percentages(
    category: str, wording_hash: str, invested_bp: int | None, intends_bp: int | None
) -> tuple[str, Mapping[str, int | None]]:
    """Return the hash of all that is confirmed, and the percentages; refuse a restricted investor's without them."""
    if category != "restricted":
        return wording_hash, {"invested_bp": None, "intends_bp": None}
    stated = {"invested_bp": invested_bp, "intends_bp": intends_bp}
    for field, share_bp in stated.items():
        if share_bp is None or not 0 <= share_bp <= WHOLE_BP:
            raise Refused("Enter a share of your net assets from 0 to 100 %.", code="percentages_missing", field=field)
    return rules.hash_of(rules.restricted_wording(invested_bp or 0, intends_bp or 0)), stated


# -- understanding ----------------------------------------------------------------------------------


def questions(party_id: int, number: int) -> tuple[rules.Question, ...]:
    """Return what a party is asked at its try of this number."""
    return rules.QUESTIONS.draw(f"{rules.QUESTIONS.version}:{party_id}:{number}")


def answer(
    session: Session, *, actor: Actor, party_id: int, number: int, chosen: Mapping[str, int], now: dt.datetime
) -> UnderstandingAttempt:
    """Mark one try at the questions and keep it; ``chosen`` says which answer was picked, 0 for the first shown.

    Every question must be answered rightly. Raises ``Refused`` ``too_soon`` before the time that follows two
    failures is over (24 hours before each new try), ``Conflict`` ``try_changed`` for any try but the next.
    """
    demand_investor(actor, party_id)
    locked_party(session, party_id)
    before = queries.tries(session, party_id)
    if number != before.count + 1:
        raise Conflict("You answered these questions meanwhile. Open the page again.", code="try_changed")
    if before.next_at is not None and now < before.next_at:
        raise too_soon(before.next_at)
    asked = questions(party_id, number)
    given = {question.key: question.answers[_position(question, chosen)][0] for question in asked}
    right = sum(given[question.key] == question.right for question in asked)
    row = UnderstandingAttempt(
        party_id=party_id, user_id=accounts.user_of(actor), number=number, set_version=rules.QUESTIONS.version,
        answers=json.dumps(given, sort_keys=True), asked_count=len(asked), right_count=right,
        passed=right == len(asked), answered_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(
        session, actor=actor, action="investor.answered", object_id=row.public_id, now=now,
        after={"set": row.set_version, "result": "passed" if row.passed else "failed", "try": number},
    )
    return row


def _position(question: rules.Question, chosen: Mapping[str, int]) -> int:
    position = chosen.get(question.key, -1)
    if not 0 <= position < len(question.answers):
        raise Refused("Choose one answer to each question.", code="answer_missing", field=question.key)
    return position


def too_soon(next_at: dt.datetime) -> Refused:
    """Return the refusal of a try before its time."""
    return Refused(
        f"Try again from {next_at:%d %B %Y %H:%M:%S} UTC. Use the time to read about the risks.", code="too_soon",
        facts={"next_at": next_at.isoformat()},
    )


def demand_own(actor: Actor, user_id: int) -> None:
    """Refuse to decide about oneself (PPL-2)."""
    if actor.user_id == user_id:
        raise Forbidden("Somebody else has to decide about you.", code="own_case")
