"""Draw auditors by lot for tests."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from app.accounts.actor import SYSTEM
from app.db import Session
from app.offerings import lots
from app.offerings.models import Offering
from tests.factories.life import Life


def draw(life: Life, **options: Any) -> lots.Drawn:
    """Draw three auditors for the first milestone of a life; ``options`` are those of ``lots.draw``."""
    wanted = {"purpose": lots.DISPUTE, "milestone_key": "m1", "seats": 3, "mixed_in": "ab" * 32, "actor": SYSTEM}

    def act(session: Session) -> lots.Drawn:
        offering = session.execute(
            sa.select(Offering).where(Offering.public_id == life.offering_id).with_for_update()
        ).scalar_one()
        return lots.draw(session, offering, now=life.stage.business_now(session), **{**wanted, **options})

    return life.stage.db.unit_of_work(act)
