"""A live offering with investors who sign in and go through its pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts import passwords
from app.accounts.actor import Actor
from app.commitments.models import Commitment
from app.db import Database
from app.offerings.models import Offering
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional.visitor import Page, Visitor


@dataclasses.dataclass
class Market:
    """One offering of at most 10,000.00 at 0.50 a token, and people who can open its pages."""

    life: Life
    site: Flask

    @property
    def db(self) -> Database:
        return self.life.stage.db

    @property
    def offering(self) -> Offering:
        return self.life.stage.offering(self.life.offering_id)

    @property
    def url(self) -> str:
        return f"/offerings/{self.offering.slug}/commit"

    def investor(self, name: str = "Ines Ott", *, role: str = "investor") -> tuple[Visitor, Actor]:
        """Return somebody who is signed in, and the same person for the services."""
        email = f"{name.split()[0].casefold()}.{self.life.stage.key()}@example.com"
        actor = self.life.stage.person(
            role, name, email=email, password_hash=passwords.HASHER.hash("correct horse battery")
        )
        visitor = Visitor(self.site)
        visitor.sign_in(email)
        return visitor, actor

    def to_check(self, visitor: Visitor, amount: str = "1234.56") -> Page:
        """Go from the risk page to the last step."""
        self.to_amount(visitor)
        return visitor.send(amount=amount)

    def to_amount(self, visitor: Visitor) -> Page:
        """Go from the risk page to the amount."""
        visitor.open(self.url)
        visitor.open(f"{self.url}/category")
        visitor.send()
        assert visitor.status == 200, visitor.page.errors
        return visitor.send(understood=["0", "1", "2", "3"])

    def commit(self, visitor: Visitor, amount: str = "1234.56") -> str:
        """Commit through the pages and return the commitment's id."""
        self.to_check(visitor, amount)
        visitor.send()
        assert visitor.path.endswith("/confirmed"), visitor.page.text
        return visitor.path.split("/")[2]

    def commitment(self, commitment_id: str) -> Commitment:
        with self.db.read() as session:
            return session.scalars(sa.select(Commitment).where(Commitment.public_id == commitment_id)).one()

    def count(self, model: type = Commitment) -> int:
        with self.db.read() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(model))


@pytest.fixture
def market(db: Database, site: Flask) -> Market:
    return Market(lives.live(db), site)


@pytest.fixture
def market_of(db: Database, site: Flask) -> Callable[..., Market]:
    """Give a way to make an offering with other figures, or in another state."""
    return lambda kind="live", **options: Market(getattr(lives, kind)(db, **options), site)
