"""What a payout waits for, and that the jobs of payments rest while nothing can be done (MIL-12, TIM-2)."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
import sqlalchemy as sa

from app.offerings import issuers
from app.offerings.models import Issuer, Offering
from app.payments import payouts, queries, rules, service
from app.payments.models import Payout
from app.payments.rails import build_rails
from tests.factories import life as lives
from tests.functional.payments.conftest import Till


def _released(till: Till, named: str | None = None, **issuer: object) -> Payout:
    """Close with 5,000.00, so that the closing tranche is released, while the issuer is as given."""
    till.invest()
    if named is not None:
        till.act(
            lambda session, now: issuers.change_payee(
                session, actor=till.life.founder, issuer_id=till.life.issuer_id, payee_ref=named, now=now
            )
        )
    _change(till, Issuer, **issuer)
    till.life.stage.close(till.life.offering_id)
    [payout] = till.payouts()
    return payout


def _change(till: Till, table: type, **values: object) -> None:
    if values:
        till.db.unit_of_work(lambda session: session.execute(sa.update(table).values(**values)))


def test_mil_12_a_payout_waits_until_the_payee_was_unchanged_for_7_days(till: Till) -> None:
    deadline = till.offering().deadline_at
    payout = _released(till, payee_changed_at=deadline - dt.timedelta(days=5))
    assert (payout.status, payout.next_at) == ("waiting", deadline + dt.timedelta(days=2))
    assert "unchanged for 7 days" in (payout.waits_for or "")
    assert till.journals("payout_reserved") == []
    till.pass_time(days=1, hours=23)
    assert till.operations("payout") == []
    till.pass_time(hours=2)
    [payout] = till.payouts()
    assert (payout.status, payout.waits_for) == ("paid", None)


def test_mil_12_a_payout_waits_for_a_payee(till: Till) -> None:
    payout = _released(till, payee_ref="")
    assert "the founder, who must name the account" in (payout.waits_for or "")
    _change(till, Issuer, payee_ref="sbx_acct_ok")
    till.pass_time(hours=1)
    assert [each.status for each in till.payouts()] == ["paid"]


def test_a_payout_waits_while_releases_are_stopped(till: Till) -> None:
    payout = _released(till, payee_changed_at=till.offering().deadline_at)
    _change(till, Offering, releases_stopped="A bank took a payment back.")
    till.pass_time(days=8)
    [waiting] = till.payouts()
    assert (waiting.id, waiting.status) == (payout.id, "waiting")
    assert waiting.waits_for == "an operator: A bank took a payment back."
    _change(till, Offering, releases_stopped=None)
    till.pass_time(hours=2)
    assert [each.status for each in till.payouts()] == ["paid"]


def test_a_payout_of_nothing_is_not_made(till: Till) -> None:
    class Release:
        id, amount_minor, fee_minor = 1, 100, 100

    offering = till.offering()
    made = till.act(lambda session, now: service.create_payout(session, release=Release(), offering=offering, now=now))
    assert made is None
    assert till.payouts() == []


@pytest.mark.parametrize("amounts", [(500_000, 300_000), (100_001, 133_333)])
def test_refunds_wait_for_the_float_and_take_what_the_cash_covers(till: Till, amounts: tuple[int, int]) -> None:
    for number, amount in enumerate(amounts):
        commitment_id = till.invest("fee_card", amount, investor=number)
        till.cancel(commitment_id, investor=number)
    till.work()
    # The first fits into the cash of both, the second lacks what the provider kept.
    assert [each.status for each in till.refunds()] == ["done", "open"]
    assert till.read(lambda session: queries.refunds_to_send(session, now=till.life.stage.now, limit=9)) == []
    [uncovered] = till.read(queries.uncovered_fees)
    till.fund(uncovered.amount_minor)
    till.work()
    assert [each.status for each in till.refunds()] == ["done", "done"]
    assert set(till.balances()) == {"expense:sandbox:O"}
    assert till.rail_agrees()


def test_off_9_overdue_refunds_are_counted(till: Till) -> None:
    till.cancel(till.invest("fee_card"))
    till.work()
    due_at = till.refunds()[0].due_at
    for seconds, overdue in ((-1, 0), (1, 1)):
        now = due_at + dt.timedelta(seconds=seconds)
        assert till.read(lambda session, now=now: queries.health(session, now=now)).overdue_refunds == overdue


def test_a_refund_whose_payment_the_bank_took_back_waits_for_the_float_and_then_ends(till: Till) -> None:
    commitment_id = till.invest()
    till.life.stage.close(till.life.offering_id)
    till.tell_returned(commitment_id)
    lives.ordered_down(till.life)
    assert [(each.status, each.amount_minor) for each in till.refunds()] == [("open", 425_000)]
    till.fund(75_000)
    till.tell_returned(commitment_id)
    till.work()
    assert [(each.status, each.amount_minor) for each in till.refunds()] == [("done", 425_000)]
    assert till.operations("refund") == []
    assert till.balances() == {"receivable:issuer:I:O": 75_000}


def test_the_sandbox_exists_only_where_money_is_pretend(till: Till) -> None:
    real = dataclasses.replace(till.life.stage.settings, sandbox=False)
    assert build_rails(real, till.db) == {}
    assert list(build_rails(till.life.stage.settings, till.db)) == ["sandbox"]


def test_mil_12_a_payee_changed_after_the_gate_gets_nothing_for_seven_days(till: Till) -> None:
    deadline = till.offering().deadline_at
    payout = _released(till, payee_changed_at=deadline - dt.timedelta(days=5))
    lives.let_time_pass(till.life.stage, deadline + dt.timedelta(days=2))
    till.act(lambda session, now: payouts.reserve(session, payout.id, now=now))
    # The gate is passed and the payout reserved; before it is sent somebody changes where it goes.
    till.act(
        lambda session, now: issuers.change_payee(
            session, actor=till.life.founder, issuer_id=till.life.issuer_id, payee_ref="sbx_acct_thief", now=now
        )
    )
    till.work()
    [waiting] = till.payouts()
    assert (waiting.status, waiting.waits_on, waiting.failures) == ("waiting", "clock", 1)
    assert [each.failure_code for each in till.operations("payout")] == ["payee_changed"]
    [reserved], [failed] = till.journals("payout_reserved"), till.journals("payout_failed")
    assert {name: -amount for name, amount in failed.items()} == reserved
    till.pass_time(days=6, hours=23)
    assert len(till.operations("payout")) == 1
    till.pass_time(hours=3)
    assert [each.method for each in till.operations("payout")] == ["sbx_acct_ok", "sbx_acct_thief"]


def test_rel_5_a_payout_without_a_payee_waits_ninety_days_for_the_founder_and_stays_payable(till: Till) -> None:
    payout = _released(till, named="")
    assert (payout.status, payout.waits_on) == ("waiting", "founder")
    assert payout.act_by is not None
    assert abs(payout.act_by - payout.created_at - dt.timedelta(days=90)) < dt.timedelta(minutes=5)
    lives.let_time_pass(till.life.stage, payout.act_by)
    till.work()
    [late] = till.payouts()
    assert (late.status, late.waits_on, late.overdue_at is not None) == ("waiting", "founder", True)
    assert till.journals("payout_reserved") == []


def test_rel_5_a_failed_payout_is_the_operators_for_two_days_then_the_founders(till: Till) -> None:
    payout = _released(till, named=rules.PAYEE_FAILS)
    assert (payout.waits_on, payout.failures) == ("operator", 1)
    assert payout.act_by is not None
    till.life.stage.advance_to(payout.act_by)
    [handed_on] = till.payouts()
    assert (handed_on.waits_on, handed_on.status) == ("founder", "waiting")
    assert handed_on.act_by is not None
    assert handed_on.act_by > till.life.stage.now + dt.timedelta(days=89)
    till.life.stage.advance(days=5)
    [tried] = till.payouts()
    assert (tried.act_by, tried.failures > 1) == (handed_on.act_by, True)
