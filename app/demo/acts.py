"""What people of the demo do to an offering from outside its plan: halt it, close it early."""

from __future__ import annotations

import datetime as dt

from app import clock
from app.accounts.actor import Actor
from app.closing import early_close
from app.demo.stage import Stage
from app.progress import halting


def halt(stage: Stage, operator: Actor, offering_id: str, *, days: int, reason: str, public_text: str) -> str:
    """Halt an offering for so many days and return the halt's public id."""
    return stage.db.unit_of_work(
        lambda session: halting.place(
            session, actor=operator, offering_id=offering_id, reason=reason, public_text=public_text,
            ends_at=clock.business_now(session) + dt.timedelta(days=days), key=stage.key(),
            now=clock.business_now(session),
        )
    ).public_id


def close_early(stage: Stage, founder: Actor, offering_id: str, *, days: int) -> str:
    """Announce a deadline so many days from now, at the present one's time of day; return the notice's public id."""
    present = stage.offering(offering_id).deadline_at
    day = (stage.now + dt.timedelta(days=days)).date()
    return stage.db.unit_of_work(
        lambda session: early_close.announce(
            session, actor=founder, offering_id=offering_id,
            deadline_at=dt.datetime.combine(day, present.time(), present.tzinfo), key=stage.key(),
            now=clock.business_now(session),
        )
    ).public_id
