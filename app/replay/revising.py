"""Play one recorded amendment: the founder proposes it, investors vote, some leave, and it takes effect or does not.

Records do not say who agreed: votes and departures are made up, like the investors. What our rules do not allow is
refused, as it would be to a founder, and the plan goes on in the terms in force.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.contracts import queries as contract_queries
from app.demo.stage import DAY, Stage
from app.errors import MilestakeError
from app.offerings.models import Offering
from app.progress import amending, amendment_effects, polls
from app.progress.amendment_models import OPEN, Amendment, AmendmentSeat
from app.progress.halt_models import PollAnswer
from app.replay import amended
from app.replay.fates import Fate
from milestones.document import to_document

#: So long after the close the founder proposes: the first day is the investors' own.
PROPOSES_AFTER = 2 * DAY
#: Of a hundred investors: so many say yes, so many no; the others are silent. Of those who may, so many leave.
YES_PCT, NO_PCT, LEAVES_PCT = 66, 12, 20
REFUSED = "amendment refused: "


class Revision:
    """The script of one amendment. ``fates`` is what happens to the milestones once it is in force."""

    def __init__(
        self, *, document: Mapping[str, Any], fates: Sequence[Fate], panels: Mapping[str, Sequence[Actor]],
        dice: random.Random,
    ) -> None:
        self.fates = fates
        self._document, self._panels, self._dice = document, panels, dice
        self._amendment_id: str | None = None
        self._has_voted = self._has_left = False
        self.is_over = self.is_in_force = False

    def play(
        self, stage: Stage, offering: Offering, founder: Actor, investors: Sequence[Actor], counts: Counter[str]
    ) -> dt.datetime | None:
        """Do what is due and return when to ask again; None once it is decided, or was refused."""
        now = stage.now
        if self._amendment_id is None:
            if offering.closed_at is None or now < offering.closed_at + PROPOSES_AFTER:
                return (offering.closed_at or now) + PROPOSES_AFTER
            try:
                self._propose(stage, offering, founder)
            except MilestakeError as error:
                counts[REFUSED + error.code] += 1
                self.is_over = True
                return None
            return now + DAY
        with stage.db.read() as session:
            amendment = amending.by_public_id(session, self._amendment_id)
            ends_at = amendment.leave_until or amending.poll_of(session, amendment).ends_at
        if amendment.state not in OPEN:
            self.is_over, self.is_in_force = True, amendment.state == "effective"
            return None
        if amendment.state == "voting" and not self._has_voted:
            self._has_voted = True
            self._vote(stage, amendment, investors)
        elif amendment.state == "leaving" and not self._has_left:
            self._has_left = True
            self._leave(stage, amendment, investors)
        return max(ends_at, now + DAY)

    def _propose(self, stage: Stage, offering: Offering, founder: Actor) -> None:
        people = {
            key: [stage.party_public_id(each, "auditor") for each in panel] for key, panel in self._panels.items()
        }
        with stage.db.read() as session:
            terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
        document = amended.proposal(to_document(terms), self._document, people)
        self._amendment_id = stage.db.unit_of_work(
            lambda session: amending.propose(
                session, actor=founder, offering_id=offering.public_id, document=document,
                reason="As the record was amended.", key=stage.key(), now=stage.business_now(session),
            )
        ).public_id
        asked = self._asked_for_seats(stage)
        for auditor in {each for panel in self._panels.values() for each in panel}:
            if stage.party(auditor, "auditor") in asked:
                stage.db.unit_of_work(lambda session, auditor=auditor: self._accept(session, auditor, stage))

    def _asked_for_seats(self, stage: Stage) -> set[int]:
        with stage.db.read() as session:
            amendment = amending.by_public_id(session, self._amendment_id or "")
            return set(session.scalars(
                sa.select(AmendmentSeat.party_id).where(AmendmentSeat.amendment_id == amendment.id)
            ))

    def _accept(self, session: Session, auditor: Actor, stage: Stage) -> None:
        amending.answer_seat(
            session, actor=auditor, amendment_id=self._amendment_id or "", accept=True, now=stage.business_now(session)
        )

    def _vote(self, stage: Stage, amendment: Amendment, investors: Sequence[Actor]) -> None:
        with stage.db.read() as session:
            poll = amending.poll_of(session, amendment)
            asked = set(session.scalars(sa.select(PollAnswer.party_id).where(PollAnswer.poll_id == poll.id)))
        for investor in [each for each in investors if stage.party(each, "investor") in asked]:
            thrown = self._dice.randrange(100)
            if thrown < YES_PCT + NO_PCT:
                choice = polls.YES if thrown < YES_PCT else polls.NO
                stage.db.unit_of_work(
                    lambda session, investor=investor, choice=choice: polls.answer(
                        session, actor=investor, poll_id=poll.public_id, choice=choice, key=stage.key(),
                        now=stage.business_now(session),
                    )
                )

    def _leave(self, stage: Stage, amendment: Amendment, investors: Sequence[Actor]) -> None:
        with stage.db.read() as session:
            offering = session.get_one(Offering, amendment.offering_id)
            parties = {stage.party(each, "investor"): each for each in investors}
            may = [
                party_id for party_id in amendment_effects.may_leave(session, amendment, sorted(parties))
                if amendment_effects.unreleased_of(session, offering, party_id)[0]
            ]
        for party_id in may:
            if self._dice.randrange(100) < LEAVES_PCT:
                stage.db.unit_of_work(
                    lambda session, party_id=party_id: amendment_effects.leave(
                        session, actor=parties[party_id], amendment_id=amendment.public_id, party_id=party_id,
                        key=stage.key(), now=stage.business_now(session),
                    )
                )
