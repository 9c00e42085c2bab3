"""A stage with an investor of whom nothing is known yet, and an operator."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from app.accounts.actor import Actor
from app.db import Database
from app.demo.stage import Stage
from app.investors import delivery, identity, queries, rules, service
from app.investors.models import Declaration, UnderstandingAttempt, Verification
from tests.factories.life import settings_for


@dataclasses.dataclass
class Newcomer:
    """An investor and what they can do through the services. ``now`` is business time unless a test sets it."""

    stage: Stage
    actor: Actor
    operator: Actor

    @property
    def db(self) -> Database:
        return self.stage.db

    @property
    def party(self) -> int:
        return self.stage.party(self.actor, "investor")

    def declare(self, category: str = "retail", **changes: Any) -> Declaration:
        fields = {
            "category": category, "income_minor": 5_000_000, "net_worth_minor": 8_000_000, "currency": "USD/2",
            "now": self.stage.now, **changes,
        }
        if "wording_hash" not in fields:
            fields["wording_hash"] = rules.hash_of(rules.declaration_wording(category))
        return self.db.unit_of_work(
            lambda session: service.declare(session, actor=self.actor, party_id=self.party, **fields)
        )

    def answer(self, *, rightly: bool, now: dt.datetime | None = None) -> UnderstandingAttempt:
        def act(session: Any) -> UnderstandingAttempt:
            number = queries.tries(session, self.party).count + 1
            asked = service.questions(self.party, number)
            chosen = {each.key: [key for key, _words in each.answers].index(each.right) for each in asked}
            if not rightly:
                chosen[asked[0].key] = (chosen[asked[0].key] + 1) % len(asked[0].answers)
            return service.answer(
                session, actor=self.actor, party_id=self.party, number=number, chosen=chosen, now=now or self.stage.now
            )

        return self.db.unit_of_work(act)

    def agree(self) -> None:
        self.db.unit_of_work(lambda session: delivery.consent(
            session, actor=self.actor, party_id=self.party, wording_hash=rules.DELIVERY_WORDING_HASH,
            now=self.stage.now,
        ))

    def ask(self, **changes: Any) -> Verification:
        fields: Mapping[str, Any] = {
            "legal_name": "Nina Newcomer", "country": "DE", "born_on": dt.date(1990, 5, 17),
            "check": identity.ByOperator(needs_papers=False), "now": self.stage.now, **changes,
        }
        return self.db.unit_of_work(
            lambda session: identity.request(session, actor=self.actor, party_id=self.party, **fields)
        )

    def verify(self, verification_id: str, **changes: Any) -> Verification:
        fields = {"actor": self.operator, "now": self.stage.now, **changes}
        return self.db.unit_of_work(
            lambda session: identity.verify(session, verification_id=verification_id, **fields)
        )

    def state(self) -> str:
        with self.db.read() as session:
            return queries.standing(session, self.party).verification(self.stage.now)

    def missing(self) -> list[str]:
        with self.db.read() as session:
            return [each.code for each in queries.missing(queries.standing(session, self.party), self.stage.now)]


def newcomer_on(stage: Stage, name: str = "Nina Newcomer") -> Newcomer:
    return Newcomer(stage, stage.person("investor", name, may_commit=False), stage.person("operator", "Olga Operator"))


@pytest.fixture
def nina(db: Database) -> Newcomer:
    return newcomer_on(Stage(db, settings_for(db)))
