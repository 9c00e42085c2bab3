"""Bring invented investors to where they may commit: verified, declared, understood. Through the services."""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM, Actor
from app.accounts.service import user_of
from app.investors import identity, queries, rules, service

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


def renew(session: Session, investor: Actor, party_id: int, *, now: dt.datetime) -> None:
    """Let an investor state and answer anew what has run out; what they never said they go on not saying."""
    for reason in queries.missing(queries.standing(session, party_id), now):
        if reason.code == "declaration_expired":
            declare(session, investor, party_id, now=now)
        elif reason.code == "understanding_expired":
            answer_rightly(session, investor, party_id, now=now)


def declare(
    session: Session, investor: Actor, party_id: int, *, category: str = "accredited", now: dt.datetime
) -> None:
    """Declare a category with an income and a net worth that no limit is short of."""
    service.declare(
        session, actor=investor, party_id=party_id, category=category, income_minor=INCOME_MINOR,
        net_worth_minor=NET_WORTH_MINOR, currency="USD/2",
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
