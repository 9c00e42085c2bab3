"""What people of the demo do to an offering from outside its plan: halt it, close it early, change it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from sqlalchemy.orm import Session

from app import clock
from app.accounts.actor import Actor
from app.closing import early_close
from app.commitments import reconfirming
from app.demo.stage import Stage
from app.offerings import changes, updates, versions
from app.offerings import service as offerings
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


def change(
    stage: Stage, founder: Actor, operator: Actor, offering_id: str, *, reason: str, figures: dict[str, Any],
    disclosures: dict[str, Any],
) -> str:
    """Change an open offering and let an operator decide that it is material; return the change's public id."""

    def propose(session: Session) -> str:
        offering = offerings.offering_by_id(session, offering_id)
        proposed = changes.Proposed(
            fields=dataclasses.replace(offerings.fields_of(offering), **figures),
            disclosures={**versions.disclosures_of(offering), **disclosures},
        )
        return changes.propose(
            session, actor=founder, offering_id=offering_id, patch=changes.patch_of(session, offering, proposed),
            base_number=offering.version_number, reason=reason, key=stage.key(), now=clock.business_now(session),
        ).public_id

    change_id = stage.db.unit_of_work(propose)
    stage.db.unit_of_work(
        lambda session: reconfirming.decide(
            session, actor=operator, change_id=change_id, verdict=reconfirming.MATERIAL,
            now=clock.business_now(session),
        )
    )
    stage.work()
    return change_id


def reconfirm(stage: Stage, investor: Actor, commitment_id: str, offering_id: str) -> None:
    """Let an investor reconfirm on the terms as they are now."""
    stage.db.unit_of_work(
        lambda session: reconfirming.reconfirm(
            session, actor=investor, commitment_id=commitment_id, key=stage.key(), now=clock.business_now(session),
            terms_hash=versions.hash_of(session, offerings.offering_by_id(session, offering_id)),
        )
    )


def tell(stage: Stage, founder: Actor, offering_id: str, *, title: str, text: str) -> None:
    """Post an update on how things go."""
    stage.db.unit_of_work(
        lambda session: updates.post(
            session, actor=founder, offering_id=offering_id, kind="progress", title=title, text=text, key=stage.key(),
            now=clock.business_now(session),
        )
    )
