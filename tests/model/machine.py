"""Random lives of an offering, each step compared with the model's dictionaries."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app import clock, selfcheck
from app.commitments.models import Refund
from app.db import Database
from app.ledger import chart
from app.ledger import queries as ledger
from app.progress import interventions
from milestones import states
from tests.factories import disputes
from tests.model.books import Books, demand
from tests.model.world import (
    FEE_BP,
    MAXIMUM_MINOR,
    MINIMUM_MINOR,
    PRICE_MICRO,
    TICKET_MINOR,
    VARIANTS,
    World,
)

CRITERIA = {"revenue": (5000, True), "works": (5000, True)}
METHODS = ("instant", "instant", "instant", "bank_2d", "times_out", "lost", "fails_late", "refund_fails")
RESULTS = {"met": 100, "partly": 50, "not_met": 0, "cannot_tell": 0}
HOUR, DAY = 3600, 86_400
#: Never more than this between two writes of one act, so that cuts fall everywhere in it.
cuts = st.one_of(st.none(), st.none(), st.integers(1, 25))
HOLDING = ("awaiting_payment", "underpaid", "clearing", "payment_failed", "held")


class LifeMachine(RuleBasedStateMachine):
    """``make_db`` gives an empty migrated database; its books are checked when a life is over."""

    make_db: Callable[[], Database]

    # -- the start ------------------------------------------------------------------------------------

    @initialize(variant=st.sampled_from(VARIANTS), funded=st.booleans(), amounts=st.tuples(
        *[st.integers(TICKET_MINOR, 200_000) for _each in range(4)]))
    def begin(self, variant: Any, funded: bool, amounts: tuple[int, ...]) -> None:
        self.world = World(type(self).make_db(), variant)
        self.books = Books(
            price_micro=PRICE_MICRO, fee_bp=FEE_BP, minimum_minor=MINIMUM_MINOR, maximum_minor=MAXIMUM_MINOR
        )
        plain = {"criteria": {}, "partial": 0, "retained_bp": 0}
        closing = [{"ordinal": 0, "bp": variant.closing_bp, "approvals": 0, **plain}] if variant.closing_bp else []
        criteria = {**CRITERIA, "works": (5000, not variant.partial)}
        last = len(variant.tranches)
        self.books.planned(
            [*closing,
             *({"ordinal": n, "bp": bp, "approvals": variant.approvals, "criteria": criteria,
                "partial": variant.partial if n < last else 0, "retained_bp": variant.retained_bp}
               for n, bp in enumerate(variant.tranches, start=1))],
            sequential=variant.order == "sequential",
        )
        self.keys = itertools.count(1)
        self.seen_row = 0
        self.idle = 0
        self.asked: list[tuple[int, int, str, str]] = []
        if funded:
            for number, amount in enumerate(amounts):
                self.invests(number, amount, "instant", None)
            self.world.stage.close(self.world.offering_id)
            self.compare()

    def _key(self) -> str:
        return f"model-{next(self.keys)}"

    @property
    def _state(self) -> str:
        return self.world.offering().state

    # -- raising --------------------------------------------------------------------------------------

    @precondition(lambda self: self._state == "live")
    @rule(who=st.integers(0, 3), amount=st.integers(20_000, 400_000), method=st.sampled_from(METHODS), cut=cuts)
    def invests(self, who: int, amount: int, method: str, cut: int | None) -> None:
        """Commit, and pay unless refused; a place is never given above the maximum or below the ticket."""
        world, investor, key = self.world, self.world.life.investors[who], self._key()
        ordered, code = world.attempt(
            lambda: world.stage.commit(investor, world.offering_id, amount, key=key), cut_after=cut
        )
        if code is not None:
            room = MAXIMUM_MINOR - self.books.held_places()
            demand(code != "offering_full" or amount > room - PRICE_MICRO // 10_000 * 2,
                   f"{amount} was refused although {room} is free (COM-7)")
            return
        self.asked.append((who, amount, key, ordered))
        row = next(each for each in world.orders() if each.public_id == ordered)
        demand(row.amount_minor >= TICKET_MINOR - PRICE_MICRO // 10_000, "below the minimum ticket")
        self.books.ordered(row.id, investor=who, amount_minor=amount, tokens=row.tokens, charged_minor=row.amount_minor)
        world.attempt(lambda: world.stage.pay(investor, ordered, method), cut_after=None)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), same=st.booleans())
    def asks_again(self, data: st.DataObject, same: bool) -> None:
        """A request that comes again gives the first result; with other content it is refused (COM-1, COM-8)."""
        who, amount, key, first = data.draw(st.sampled_from(self.asked))
        world, investor = self.world, self.world.life.investors[who]
        asked = amount if same else amount + 37_000
        again, code = world.attempt(lambda: world.stage.commit(investor, world.offering_id, asked, key=key))
        demand((again, code) == ((first, None) if same else (None, "key_reused")), f"asked again: {again}, {code}")

    @precondition(lambda self: self.books.orders)
    @rule(data=st.data(), cut=cuts)
    def cancels(self, data: st.DataObject, cut: int | None) -> None:
        world = self.world
        row = data.draw(st.sampled_from(world.orders()))
        investor = world.life.investors[self.books.orders[row.id]["investor"]]
        now, before = world.stage.now, row.status
        _done, code = world.attempt(lambda: world.stage.cancel(investor, row.public_id), cut_after=cut)
        if code is None:
            demand(before in (*HOLDING, "cancelled"), f"a commitment that is {before} was cancelled")
            demand(before == "cancelled" or self._state == "live", "cancelled after the close")
        elif cut is None and before == "held" and self._state == "live":
            cut_off = world.offering().deadline_at.timestamp() - 48 * HOUR
            demand(now.timestamp() >= cut_off, f"cancelling was refused before the last moment (COM-6): {code}")

    @precondition(lambda self: self._state == "live")
    @rule()
    def is_withdrawn(self) -> None:
        world = self.world
        if len(self.asked) < 3:  # seldom: a life that ends here shows little
            return
        world.attempt(lambda: world.stage.withdraw(world.life.founder, world.offering_id, reason="Other plans."))

    # -- the plan -------------------------------------------------------------------------------------

    def _milestone(self, *in_states: str) -> list[Any]:
        return [each for each in self.world.milestones() if each.state in in_states and each.ordinal]

    @precondition(lambda self: self._state == "active")
    @rule(data=st.data(), cut=cuts)
    def submits(self, data: st.DataObject, cut: int | None) -> None:
        world = self.world
        row = data.draw(st.sampled_from([each for each in world.milestones() if each.ordinal]))
        submitted, _code = world.attempt(lambda: world.stage.submit_evidence(world.life.founder, row.public_id))
        if submitted is not None:
            demand(row.state in ("open", "partly_released", "retained"), f"submitted while {row.state} (MIL-6)")
            self.books.submitted(row.ordinal)
            world.submissions[row.ordinal] = submitted

    @precondition(lambda self: self.world.submissions)
    @rule(data=st.data(), result=st.sampled_from(("met", "met", "met", "partly", "not_met", "cannot_tell")), cut=cuts)
    def attests(self, data: st.DataObject, result: str, cut: int | None) -> None:
        world = self.world
        ordinal = data.draw(st.sampled_from(sorted(world.submissions)))
        auditor = data.draw(st.integers(0, world.variant.auditors - 1))
        lenient = data.draw(st.booleans())
        findings = self._findings(ordinal, result, lenient)
        signed, _code = world.attempt(
            lambda: world.stage.sign(world.life.auditors[auditor], world.submissions[ordinal], findings)
        )
        if signed is not None:
            self.books.attested(ordinal, auditor, {key: pct for key, (_result, pct) in findings.items()})

    def _findings(self, ordinal: int, result: str, lenient: bool) -> dict[str, tuple[str, int]]:
        """Answer what is judged of a milestone; ``lenient`` finds the first criterion met whatever the other is."""
        given = (result, RESULTS[result])
        if self.books.milestones[ordinal]["retains"]:
            return {"retainage": given}
        return {"revenue": ("met", 100) if lenient else given, "works": given}

    @precondition(lambda self: self._milestone("challengeable"))
    @rule(data=st.data(), who=st.integers(0, 3), cut=cuts)
    def is_challenged(self, data: st.DataObject, who: int, cut: int | None) -> None:
        world = self.world
        row = data.draw(st.sampled_from(self._milestone("challengeable")))
        criterion = "retainage" if self.books.milestones[row.ordinal]["retains"] else "works"
        key = self._key()
        world.attempt(
            lambda: disputes.challenge(world.life, who, ordinal=row.ordinal, criterion=criterion, key=key),
            cut_after=cut,
        )

    @precondition(lambda self: self._milestone("open", "appealable", "partly_released", "retained"))
    @rule(data=st.data())
    def is_appealed(self, data: st.DataObject) -> None:
        world = self.world
        row = data.draw(st.sampled_from(self._milestone("open", "appealable", "partly_released", "retained")))
        appealed, _code = world.attempt(lambda: disputes.appeal(world.life, ordinal=row.ordinal))
        if appealed is not None:
            self.books.disputed(row.ordinal)

    @precondition(lambda self: self._milestone("disputed"))
    @rule(data=st.data(), result=st.sampled_from(("met", "met", "not_met", "partly")), lenient=st.booleans())
    def panel_signs(self, data: st.DataObject, result: str, lenient: bool) -> None:
        """All of the panel, or some of it, sign the same findings."""
        world = self.world
        row = data.draw(st.sampled_from(self._milestone("disputed")))
        findings = self._findings(row.ordinal, result, lenient)
        for number, juror in enumerate(world.jurors):
            signed, _code = world.attempt(lambda juror=juror: world.judge(juror, row.id, findings))
            if signed is not None:
                self.books.disputed(row.ordinal)
                self.books.judged(row.ordinal, number, {key: pct for key, (_result, pct) in findings.items()})
            if data.draw(st.integers(0, 4)) == 0:
                break

    @precondition(lambda self: self._milestone("challengeable"))
    @rule(data=st.data())
    def is_suspended(self, data: st.DataObject) -> None:
        world = self.world
        row = data.draw(st.sampled_from(self._milestone("challengeable")))
        world.attempt(lambda: world.db.unit_of_work(lambda session: interventions.suspend(
            session, actor=world.life.operator, milestone_id=row.public_id, reason="A doubt.",
            now=clock.business_now(session))))

    @precondition(lambda self: self._state == "active")
    @rule(sure=st.integers(0, 5))
    def resigns(self, sure: int) -> None:
        world = self.world
        if sure == 5:  # seldom
            world.attempt(lambda: world.stage.resign(world.life.founder, world.offering_id, reason="We stop."))

    # -- time -----------------------------------------------------------------------------------------

    @rule(hours=st.integers(1, 400), works=st.booleans())
    def time_passes(self, hours: int, works: bool) -> None:
        """Sometimes nobody works for a while: deadlines count all the same (TIM-1)."""
        self.world.jump(hours * HOUR)
        if works:
            self.world.work()

    @rule(offset=st.sampled_from((-1, 0, 1)), cut=cuts)
    def comes_to_the_next_deadline(self, offset: int, cut: int | None) -> None:
        instant = self.world.next_deadline()
        if instant is not None:
            self.world.jump(max(0, int((instant - self.world.stage.now).total_seconds()) + 1 + offset))
            self.world.work(cut_after=cut)

    # -- the comparison -------------------------------------------------------------------------------

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "world"):
            self.compare()

    def compare(self) -> None:
        """Read what the program wrote since and hold every cent and token of it against the model's."""
        world, books = self.world, self.books
        offering = world.offering()
        # A pro-rata close would cut orders before; these offerings take first come, first served.
        rows = world.statement_after(self.seen_row)
        releases = world.releases_by_journal()
        for journal_id, group in itertools.groupby(rows, key=lambda row: row.journal_id):
            moved = list(group)
            found = releases.get(journal_id)
            if found is None:
                for row in moved:
                    books.moved(row.commitment_id, row.kind, row.amount_minor)
                continue
            release, ordinal = found
            if books.proceeds is None:
                books.closed(offering.proceeds_minor)
            wanted = books.left_escrow(release.kind, ordinal, release.amount_minor, release.fee_minor)
            actual = {row.commitment_id: (-row.amount_minor, row.tokens_issued) for row in moved}
            demand(actual == wanted, f"{release.kind} {release.amount_minor} of {ordinal}: {actual}, not {wanted}")
        if books.proceeds is None and offering.proceeds_minor is not None:
            books.closed(offering.proceeds_minor)
        if rows:
            self.seen_row = rows[-1].id
        self._compare_states(offering)
        self._compare_positions()

    def _compare_states(self, offering: Any) -> None:
        for row in self.world.orders():
            self.books.orders[row.id]["over"] = row.status not in HOLDING
        for row in self.world.milestones():
            milestone = self.books.milestones[row.ordinal]
            if states.is_terminal("milestone", row.state):
                milestone["settled"] = True
            if row.tranche_minor is not None and milestone["tranche"] is not None:
                demand(row.tranche_minor == milestone["tranche"], f"tranche {row.ordinal} is {row.tranche_minor}")
            if row.state == "disputed":
                self.books.disputed(row.ordinal)
            if row.state == "released":
                demand(milestone["released"] + milestone["returned"] == milestone["tranche"], f"{row.ordinal}: a rest")

    def _compare_positions(self) -> None:
        world, books = self.world, self.books
        offering = world.offering()
        with world.db.read() as session:
            escrow = ledger.balance(session, chart.escrow(offering.public_id, offering.currency))
            refunds = dict(
                session.execute(
                    sa.select(Refund.commitment_id, sa.func.sum(Refund.amount_minor)).group_by(Refund.commitment_id)
                ).all()
            )
        demand(escrow == sum(order["unreleased"] for order in books.orders.values()), "escrow is not Σ orders")
        for key, order in books.orders.items():
            back = order["paid"] - order["released"] - order["unreleased"]
            demand(refunds.get(key, 0) >= back, f"order {key}: {back} left escrow, {refunds.get(key, 0)} goes back")

    def teardown(self) -> None:
        """Let every life come to its end by silence alone: nothing may wait for ever (TIM-3, TIM-5)."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.work()
        for _deadline in range(60):
            self.compare()
            if states.is_terminal("offering", self._state):
                break
            instant = world.next_deadline()
            demand(instant is not None, f"an offering that is {self._state} waits for nothing")
            world.stage.advance_to(instant)
        demand(states.is_terminal("offering", self._state), f"an offering stays {self._state} for ever")
        self.compare()
        demand(all(order["unreleased"] == 0 for order in self.books.orders.values()), "an ended plan holds money")
        world.stage.advance(days=2)
        with world.db.read() as session:
            findings = selfcheck.run(session)
        demand(not findings, "\n".join(str(each) for each in findings))
