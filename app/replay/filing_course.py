"""Play one filed offering: publish it, let the crowd commit, amend it, withdraw it or let it close, and end it.

A course is asked again and again; each time it does what is due and says when it wants to be asked next. It acts
through the services, as the web does; what follows by itself (deadlines, refunds, releases) is the worker's.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence

from app.accounts.actor import Actor
from app.commitments import reconfirming
from app.demo.stage import DAY, Stage
from app.errors import MilestakeError
from app.offerings import changes, versions
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.offerings.service import OfferingNotReady
from app.replay import filing_terms
from app.replay.crowd import Pledge
from app.replay.filing_terms import Plan, Terms
from app.replay.filings import Amendment
from milestones.states import MILESTONE_TERMINAL, OFFERING_TERMINAL

#: How a company goes on after its close: reports and is paid, gives up, or lets its date pass.
REPORTS, GIVES_UP, IS_SILENT = "reports", "gives up", "is silent"
#: Days from the close to the report or the resignation, and from a change to the answers of the investors.
ACTS_AFTER, ANSWERS_AFTER = 20 * DAY, 2 * DAY
#: Where a unit is too dear for the smallest part (OFF-10), so many tokens make one, the fewest that pass.
DIVISORS = tuple(10**power for power in range(1, 9))
TOO_COARSE = ("grain", "ticket_buys_nothing")

@dataclasses.dataclass(frozen=True, slots=True)
class People:
    """Who plays in all offerings; ``investor`` gives one of the crowd of a day, by number, whose papers are fresh."""

    operator: Actor
    auditor: Actor
    investor: Callable[[int, dt.datetime], Actor]


class FilingCourse:
    """The script of one filing. ``counts`` is shared by all; ``offering_id`` is None until something is drafted."""

    def __init__(
        self, stage: Stage, people: People, plan: Plan, pledges: Sequence[Pledge], *, after_close: str,
        counts: Counter[str], filed_at: dt.datetime,
    ) -> None:
        self.stage, self.plan, self.people = stage, plan, people
        self.offering_id: str | None = None
        self.refused: list[str] = []
        self.is_published = self.is_over = self.was_withdrawn = False
        self._after_close, self._counts, self._filed_at = after_close, counts, filed_at
        self._founder: Actor | None = None
        self._class_id: str | None = None
        self._terms = plan.terms
        self._divided_by = 1
        self._events = list(plan.filing.amendments)
        self._pledges = list(pledges)
        self._to_cancel: list[tuple[dt.datetime, Actor, str]] = []
        self._placed: list[tuple[Actor, str, bool]] = []
        self._answers_at: dt.datetime | None = None
        self._submission: str | None = None

    # -- what is asked ------------------------------------------------------------------------------

    def play(self) -> dt.datetime | None:
        """Do what is due now and return when to ask again; None once the offering has ended or was never published."""
        now = self.stage.now
        if not self.is_published:
            return self._publish_or_wait(now)
        assert self.offering_id is not None
        offering = self.stage.offering(self.offering_id)
        if offering.state in OFFERING_TERMINAL:
            self.is_over = True
            return None
        if offering.state == "live":
            return self._raise(offering, now)
        if offering.state == "active":
            return self._run(offering, now)
        return now + DAY

    # -- publication --------------------------------------------------------------------------------

    def _publish_or_wait(self, now: dt.datetime) -> dt.datetime | None:
        """Publish, or be refused and wait for an amendment that may mend it; None when there is no other."""
        while self._events and self._at(self._events[0]) <= now:
            self._terms = filing_terms.amended(self._terms, self._events.pop(0), self._counts)
        code = self._publish(now)
        if code is None:
            self.is_published = True
            return now + DAY
        self.refused.append(code)
        self._counts[f"refused at publication: {code}"] += 1
        mending = next((each for each in self._events if each.changes), None)
        if mending is not None and not self._is_withdrawn_before(mending):
            return self._at(mending)
        self._withdraw_draft()
        self.is_over = True
        return None

    def _is_withdrawn_before(self, amendment: Amendment) -> bool:
        withdrawn_on = self.plan.filing.withdrawn_on
        return withdrawn_on is not None and withdrawn_on < amendment.filed_on

    def _publish(self, now: dt.datetime) -> str | None:
        """Draft, submit, approve and launch; return the code of the refusal, None when it is live."""
        stage, filing = self.stage, self.plan.filing
        if self._founder is None:
            founder = stage.person("founder", f"Founder of {filing.issuer}"[:80],
                                   email=f"{stage.key()}@founders.example")
            self._founder, issuer_id = stage.company(founder, filing.issuer[:100])
            self._class_id = stage.token_class(
                self._founder, issuer_id, f"F{filing.line:04d}-A",
                authorised=filing_terms.authorised_tokens(self.plan, self._counts) * DIVISORS[2],
            )
        code = self._submitted()
        if code is not None:
            return code
        assert self.offering_id is not None
        stage.appoint(self.offering_id, self.people.operator, [self.people.auditor])
        stage.open_offering(self.offering_id, self._founder, self.people.operator)
        return None

    def _enter(self) -> None:
        fields = filing_terms.fields(self.plan, self._terms, divided_by=self._divided_by)
        assert self._founder is not None and self._class_id is not None
        if self.offering_id is None:
            document = filing_terms.document(self.plan, self.plan.filing.issuer[:100])
            self.offering_id = self.stage.draft(self._founder, self._class_id, fields, document)
        else:
            self._as_founder(lambda session, actor, now: offerings.update_draft(
                session, actor=actor, offering_id=self.offering_id or "", fields=fields, now=now
            ))

    def _submitted(self) -> str | None:
        """Enter and submit, and return what refuses it, None when nothing does; too dear a unit is divided (OFF-10)."""
        assert self._founder is not None
        for divisor in (*DIVISORS, None):
            try:
                self._enter()
                self.stage.submit_offering(self.offering_id or "", self._founder)
            except OfferingNotReady as error:
                codes = [each.code for each in error.problems]
            except MilestakeError as error:
                codes = [error.code]
            else:
                return None
            others = [each for each in codes if each not in TOO_COARSE]
            if others or divisor is None:
                return [*others, *codes][0]
            if self._divided_by == 1:
                self._counts[f"refused as filed, so that the unit was divided: {codes[0]} (OFF-10)"] += 1
            self._divided_by = divisor
        return None

    def _withdraw_draft(self) -> None:
        if self.offering_id is not None:
            assert self._founder is not None
            self.stage.withdraw(self._founder, self.offering_id, reason="It was refused and not amended.")

    # -- the raise ----------------------------------------------------------------------------------

    def _raise(self, offering: Offering, now: dt.datetime) -> dt.datetime:
        while self._events and self._at(self._events[0]) <= now:
            event = self._events.pop(0)
            if event.form == "C-W":
                self._withdraw()
                return now + DAY
            if event.form == "C/A":
                self._amend(event)
        if self._answers_at is not None and self._answers_at <= now:
            self._answer()
        while self._pledges and self._day(self._pledges[0]) <= now:
            self._commit(self._pledges.pop(0), now)
        for entry in [each for each in self._to_cancel if each[0] <= now]:
            self._to_cancel.remove(entry)
            self._try("cancellations", lambda entry=entry: self.stage.cancel(entry[1], entry[2]))
        offering = self.stage.offering(offering.public_id)
        ahead = [offering.deadline_at, *(each[0] for each in self._to_cancel), *(self._at(each) for each in
                 self._events[:1]), *(self._day(each) for each in self._pledges[:1])]
        if self._answers_at is not None:
            ahead.append(self._answers_at)
        return max(min(ahead), now + DAY)

    def _at(self, event: Amendment) -> dt.datetime:
        """An event of a day happens at the hour at which all offerings are asked."""
        return dt.datetime.combine(event.filed_on, self._filed_at.timetz())

    def _day(self, pledge: Pledge) -> dt.datetime:
        return self._filed_at + pledge.day * DAY

    def _commit(self, pledge: Pledge, now: dt.datetime) -> None:
        investor = self.people.investor(pledge.investor, now)
        commitment_id = self._place(investor, pledge.amount_minor)
        if commitment_id is None:
            return
        self._counts["commitments"] += 1
        self._counts[f"habit: {pledge.habit}"] += 1
        self._placed.append((investor, commitment_id, pledge.habit != "silent"))
        if pledge.method is not None:
            self._try("payments", lambda: self.stage.pay(investor, commitment_id, pledge.method or ""))
        if pledge.cancel_day is not None:
            self._to_cancel.append((self._filed_at + pledge.cancel_day * DAY, investor, commitment_id))

    def _place(self, investor: Actor, amount_minor: int) -> str | None:
        """Commit, or hear how much room is left and take that; None when it is refused for good."""
        assert self.offering_id is not None
        try:
            return self.stage.commit(investor, self.offering_id, amount_minor)
        except MilestakeError as error:
            self._counts[f"order refused: {error.code}"] += 1
            room = int(error.facts.get("room_minor", 0)) if error.facts else 0
        if not 0 < room < amount_minor:
            return None
        try:
            return self.stage.commit(investor, self.offering_id, room)
        except MilestakeError as error:
            self._counts[f"order refused: {error.code}"] += 1
            return None

    def _withdraw(self) -> None:
        assert self.offering_id is not None and self._founder is not None
        self.stage.withdraw(self._founder, self.offering_id, reason="Withdrawn, as filed.")
        self.was_withdrawn = True
        self._counts["withdrawn as filed"] += 1

    # -- amendments ---------------------------------------------------------------------------------

    def _amend(self, event: Amendment) -> None:
        """Propose what was filed and let an operator decide it by the table; what is refused stays as it was."""
        terms = filing_terms.amended(self._terms, event, self._counts)
        kind = "of terms" if event.changes else "of words"
        fields = self._amended_fields(terms, event)
        try:
            change = self._as_founder(
                lambda session, actor, now: self._propose(session, actor, now, fields, event.words or "As filed.")
            )
            decided = self.stage.db.unit_of_work(lambda session: reconfirming.decide(
                session, actor=self.people.operator, change_id=change.public_id,
                verdict="material" if change.by_table else "not_material", now=self.stage.business_now(session),
            ))
        except MilestakeError as error:
            self._counts[f"amendment {kind} refused: {error.code}"] += 1
            return
        self._terms = terms
        material = "material" if decided.is_material else "before anybody committed" if decided.is_material is None \
            else "not material"
        self._counts[f"amendment {kind}: {material}"] += 1
        if decided.is_material:
            self._answers_at = self.stage.now + ANSWERS_AFTER

    def _propose(
        self, session: offerings.Session, actor: Actor, now: dt.datetime, fields: offerings.OfferingFields, reason: str
    ) -> changes.OfferingChange:
        offering = offerings.offering_by_id(session, self.offering_id or "")
        patch = changes.patch_of(session, offering, changes.Proposed(fields=fields))
        return changes.propose(
            session, actor=actor, offering_id=offering.public_id, patch=patch, base_number=offering.version_number,
            reason=reason, key=self.stage.key(), now=now,
        )

    def _amended_fields(self, terms: Terms, event: Amendment) -> offerings.OfferingFields:
        with self.stage.db.read() as session:
            offering = offerings.offering_by_id(session, self.offering_id or "")
            present = offerings.fields_of(offering)
        entered = filing_terms.fields(self.plan, terms, divided_by=self._divided_by)
        if not event.changes:
            return dataclasses.replace(
                present, story=f"{present.story}\n\n{event.filed_on}: {event.words or 'Updated disclosures.'}"[:4000]
            )
        return dataclasses.replace(
            present, price_micro=entered.price_micro, minimum_minor=entered.minimum_minor,
            target_minor=entered.target_minor, maximum_minor=entered.maximum_minor, deadline_at=entered.deadline_at,
            minimum_ticket_minor=max(present.minimum_ticket_minor, entered.minimum_ticket_minor)
            if "price" in event.changes else min(present.minimum_ticket_minor, entered.maximum_minor),
            accept_up_to_minor=entered.accept_up_to_minor if present.allotment == "pro_rata" else 0,
        )

    def _answer(self) -> None:
        """Let everybody who stays reconfirm; the silent ones are cancelled and refunded by their silence."""
        self._answers_at = None
        for investor, commitment_id, answers in self._placed:
            if answers:
                self._try("reconfirmations", lambda each=(investor, commitment_id): self._reconfirm(*each))

    def _reconfirm(self, investor: Actor, commitment_id: str) -> None:
        def reconfirm(session: offerings.Session) -> None:
            offering = offerings.offering_by_id(session, self.offering_id or "")
            reconfirming.reconfirm(
                session, actor=investor, commitment_id=commitment_id, terms_hash=versions.hash_of(session, offering),
                key=self.stage.key(), now=self.stage.business_now(session),
            )

        self.stage.db.unit_of_work(reconfirm)

    def _try(self, what: str, act: Callable[[], object]) -> None:
        """Act and count it; what a service refuses is counted by its code, as people are told it."""
        try:
            act()
        except MilestakeError as error:
            self._counts[f"{what} refused: {error.code}"] += 1
        else:
            self._counts[what] += 1

    def _as_founder(self, act: Callable[..., object]) -> changes.OfferingChange:
        found: object = self.stage.db.unit_of_work(
            lambda session: act(session, self._founder, self.stage.business_now(session))
        )
        return found  # type: ignore[return-value]

    # -- after the close ----------------------------------------------------------------------------

    def _run(self, offering: Offering, now: dt.datetime) -> dt.datetime:
        """Report and be paid, give up, or let the date pass, so that every offering ends."""
        milestone = next(
            (each for each in self.stage.milestones(offering.public_id)
             if each.ordinal and each.state not in MILESTONE_TERMINAL), None
        )
        if milestone is None or milestone.tranche_minor is None:
            return now + DAY
        acts_at = (offering.closed_at or now) + ACTS_AFTER
        if now < acts_at:
            return acts_at
        assert self._founder is not None
        if self._after_close == GIVES_UP:
            self.stage.resign(self._founder, offering.public_id, reason="The plan was given up.")
            return now + DAY
        if self._after_close == REPORTS and milestone.state == "open":
            self._submission = self.stage.submit_evidence(self._founder, milestone.public_id)
            return now + DAY
        if milestone.state == "submitted" and self._submission is not None:
            self.stage.attest(self.people.auditor, self._submission)
            self._submission = None
            return now + DAY
        return max(milestone.deadline_at or now, now) + DAY
