"""Founders who sign in and own the offerings of a life."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts import passwords
from app.accounts import service as accounts
from app.clock import system_now
from app.db import Base, Database, Session
from app.offerings.models import Issuer, Offering
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional.visitor import Visitor

PASSWORD = "correct horse battery"


@dataclasses.dataclass
class Raise:
    """A life's offering, and visitors of its pages."""

    life: Life
    site: Flask

    @property
    def db(self) -> Database:
        return self.life.stage.db

    @property
    def offering(self) -> Offering:
        return self.life.stage.offering(self.life.offering_id)

    @property
    def page(self) -> str:
        return f"/offerings/{self.offering.slug}"

    @property
    def dashboard(self) -> str:
        return f"/founder/offerings/{self.life.offering_id}"

    def visitor(self) -> Visitor:
        return Visitor(self.site)

    def founder(self, *, own: bool = True, second_factor: bool = False) -> Visitor:
        """Return a founder who is signed in; with ``own`` they belong to the offering's company."""
        email = f"founder.{self.life.stage.key()}@example.com"
        actor = self.life.stage.person("founder", "Una Founder", email=email,
                                       password_hash=passwords.HASHER.hash(PASSWORD))

        def join(session: Session) -> None:
            party_id = session.execute(
                sa.select(Issuer.party_id).where(Issuer.public_id == self.life.issuer_id)
            ).scalar_one()
            accounts.add_member(session, user_id=actor.user_id, party_id=party_id, role="founder", now=system_now())

        if own:
            self.db.unit_of_work(join)
        visitor = Visitor(self.site)
        visitor.sign_in(email)
        if second_factor:
            visitor.set_up_second_factor()
        return visitor

    def rows(self) -> dict[str, int]:
        """Return how many rows each table has."""
        with self.db.read() as session:
            return {
                table.name: session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in Base.metadata.sorted_tables
            }


@pytest.fixture
def raise_of(db: Database, site: Flask) -> Callable[..., Raise]:
    """Give a way to make a raise in a state: ``raise_of("live", investors=2)``."""
    return lambda state, **options: Raise(getattr(lives, state)(db, **options), site)
