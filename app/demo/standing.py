"""Bring invented investors to where they may commit, or to where they may not yet. Through the services.

Verified, declared and understood is one call; what can be missing, and complaints, are for the demo's story.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from app import clock
from app.accounts.actor import SYSTEM, Actor
from app.accounts.service import user_of
from app.complaints import service as complaints
from app.investors import delivery, identity, queries, rules, service

if TYPE_CHECKING:
    from app.demo.stage import Stage

#: Invented people stay who they are for as long as a demo can last.
YEARS = 10
INCOME_MINOR = 30_000_000
NET_WORTH_MINOR = 200_000_000


def make_ready(session: Session, investor: Actor, party_id: int, *, now: dt.datetime) -> None:
    """Verify a new investor, and let them declare and answer."""
    identity.take_over(
        session, actor=SYSTEM, party_id=party_id, user_id=user_of(investor), legal_name=investor.name,
        country="US", expires_at=rules.add_months(now, YEARS * 12), now=now,
    )
    declare(session, investor, party_id, now=now)
    answer_rightly(session, investor, party_id, now=now)
    agree(session, investor, party_id, now=now)


def agree(session: Session, investor: Actor, party_id: int, *, now: dt.datetime) -> None:
    """Let an investor agree to get documents electronically."""
    delivery.consent(
        session, actor=investor, party_id=party_id, wording_hash=rules.DELIVERY_WORDING_HASH, now=now
    )


def renew(session: Session, investor: Actor, party_id: int, *, now: dt.datetime) -> None:
    """Let an investor state and answer anew what has run out; what they never said they go on not saying."""
    for reason in queries.missing(queries.standing(session, party_id), now):
        if reason.code == "declaration_expired":
            declare(session, investor, party_id, now=now)
        elif reason.code == "understanding_expired":
            answer_rightly(session, investor, party_id, now=now)


def declare(
    session: Session, investor: Actor, party_id: int, *, category: str = "accredited",
    income_minor: int = INCOME_MINOR, net_worth_minor: int = NET_WORTH_MINOR, now: dt.datetime,
) -> None:
    """Declare a category; unless others are given, with an income and a net worth that no limit is short of."""
    service.declare(
        session, actor=investor, party_id=party_id, category=category, income_minor=income_minor,
        net_worth_minor=net_worth_minor, currency="USD/2",
        **({"invested_bp": 400, "intends_bp": 600} if category == "restricted" else {}),
        wording_hash=rules.hash_of(rules.declaration_wording(category)), now=now,
    )


def answer_rightly(session: Session, investor: Actor, party_id: int, *, now: dt.datetime) -> None:
    """Answer every question as it should be."""
    number = queries.tries(session, party_id).count + 1
    chosen = {
        question.key: [key for key, _words in question.answers].index(question.right)
        for question in service.questions(party_id, number)
    }
    service.answer(session, actor=investor, party_id=party_id, number=number, chosen=chosen, now=now)


# -- the story's people who are not ready ---------------------------------------------------------------


def lapse(stage: Stage, investor: Actor, *, days: int) -> None:
    """Let an investor's check run out after some days, which pass."""
    party_id = stage.party(investor, "investor")

    def act(session: Session) -> dt.datetime:
        now = clock.business_now(session)
        expires_at = now + dt.timedelta(days=days)
        identity.take_over(
            session, actor=SYSTEM, party_id=party_id, user_id=user_of(investor), legal_name=investor.name,
            country="GB", expires_at=expires_at, now=now,
        )
        declare(
            session, investor, party_id, category="restricted", income_minor=5_200_000, net_worth_minor=9_000_000,
            now=now,
        )
        answer_rightly(session, investor, party_id, now=now)
        agree(session, investor, party_id, now=now)
        return expires_at

    stage.advance_to(stage.db.unit_of_work(act))


def ask(stage: Stage, investor: Actor, *, country: str) -> None:
    """Let an investor declare and ask to be verified."""
    party_id = stage.party(investor, "investor")

    def act(session: Session) -> None:
        now = clock.business_now(session)
        declare(
            session, investor, party_id, category="retail", income_minor=4_800_000, net_worth_minor=3_500_000,
            now=now,
        )
        identity.request(
            session, actor=investor, party_id=party_id, legal_name=investor.name, country=country,
            born_on=dt.date(1991, 4, 23), check=identity.ByOperator(needs_papers=False), now=now,
        )

    stage.db.unit_of_work(act)


def complain(stage: Stage, who: Actor, topic: str, words: str) -> str:
    """Send a complaint and return its public id."""
    return stage.db.unit_of_work(
        lambda session: complaints.complain(
            session, actor=who, email=None, topic=topic, words=words, key=stage.key(),
            now=clock.business_now(session),
        )
    ).public_id


def answer_complaint(stage: Stage, operator: Actor, complaint_id: str, words: str) -> None:
    """Let an operator answer a complaint."""
    stage.db.unit_of_work(
        lambda session: complaints.answer(
            session, actor=operator, complaint_id=complaint_id, words=words, now=clock.business_now(session)
        )
    )
