"""What a review found of payments that a bank takes back before the close: nothing gone counts (WND-4, OFF-12)."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.closing import early_close
from app.commitments import queries as commitments
from app.db import Database
from app.offerings.models import Offering
from app.payments import ports
from app.selfcheck import progress
from tests.factories import altered
from tests.factories import life as lives
from tests.functional import figures
from tests.functional.payments.conftest import Till
from tests.functional.payments.test_parts import Bank


def repriced(db: Database, method: str = "instant", *others: int) -> Till:
    """Return an offering whose first investor paid 3,000.00, kept 2,999.50 of it at a new price, and is owed 0.50."""
    life = lives.live(db, investors=1 + len(others))
    life.commitments.append(life.stage.invest(life.investors[0], life.offering_id, 300_000, method))
    for investor, amount in zip(life.investors[1:], others, strict=True):
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount))
    altered.changed(life, price_micro=700_000)
    for number in range(len(life.commitments)):
        altered.reconfirm(life, number)
    return Till(life)


def close(till: Till) -> str:
    till.life.stage.close(till.life.offering_id)
    till.life.stage.advance(minutes=1)
    return till.offering().state


def test_wnd_4_a_return_takes_escrow_and_the_open_refund_of_the_same_payment(db: Database) -> None:
    till = repriced(db)
    assert till.balances() == {"cash:sandbox:O": 300_000, "escrow:O": 299_950, "refunds:O": 50}
    till.tell_returned(till.life.commitments[0])
    assert till.journals("payment_returned") == [
        {"escrow:O": 299_950, "refunds:O": 50, "cash:sandbox:O": -300_000}
    ]
    assert till.balances() == {}
    assert figures.commitment(till.life, 0).status == "reversed"
    assert figures.refunds(till.life) == [(1, 50, "returned by the bank", "done")]
    offering = till.offering()
    assert (offering.releases_stopped, offering.committed_minor) == (None, 0)
    assert close(till) == "failed"
    assert till.offering().counted_minor == 0


def test_off_12_money_that_a_bank_took_back_after_a_part_was_refunded_does_not_count(db: Database) -> None:
    till = repriced(db, "fee_card")
    till.fund(8_730)
    till.life.stage.work()
    assert figures.refunds(till.life) == [(1, 50, "repriced", "done")]
    till.tell_returned(till.life.commitments[0])
    [operation] = till.operations("collect")
    # The 0.50 that was given back too is ours to bear, and the float is empty.
    assert (operation.state, operation.failure_code) == ("needs_operator", "float_short")
    assert till.read(lambda session: early_close.cleared_before(session, till.offering(), till.life.stage.now)) == 0
    assert _bar(till) == (0, 299_950, 0)
    # Nobody acts: the offering ends without the money, and nothing goes to its payer twice.
    assert close(till) == "failing"
    assert till.offering().counted_minor == 0
    assert figures.refunds(till.life) == [(1, 50, "repriced", "done"), (1, 299_950, "minimum_missed", "open")]


def _bar(till: Till) -> tuple[int, int, int]:
    """Return what the bar and the cards show: cleared, pending, and how many investors cleared."""
    offering = till.offering()

    def read(session: Session) -> tuple[int, int, int]:
        sums, raised = (found[offering.id] for found in (
            commitments.raised_sums(session, [offering.id]), commitments.raised(session, [offering])))
        assert (sums.cleared_minor, sums.pending_minor) == (raised.cleared_minor, raised.pending_minor)
        return sums.cleared_minor, sums.pending_minor, raised.investors

    return till.read(read)


def test_wnd_4_the_platform_bears_only_what_was_refunded_before_the_bank_took_all_of_it(db: Database) -> None:
    till = repriced(db)
    till.life.stage.work()
    till.fund(50)
    till.tell_returned(till.life.commitments[0])
    assert till.journals("advanced", "payment_returned") == [
        {"cash:sandbox:O": 50, "cash:sandbox:platform": -50},
        {"escrow:O": 299_950, "loss:platform:O": 50, "cash:sandbox:O": -300_000},
    ]
    assert till.balances() == {"loss:platform:O": 50}
    assert figures.commitment(till.life, 0).status == "reversed"
    offering = till.offering()
    assert (offering.releases_stopped, offering.committed_minor) == (None, 0)


def test_off_12_others_reach_the_minimum_without_the_payment_that_waits_for_a_person(db: Database) -> None:
    till = repriced(db, "instant", 250_000)
    till.life.stage.work()
    # The rail disputes more than was paid: nothing posts until the provider explains, and it counts for nothing.
    operation = till.operations("collect")[0]
    dispute = ports.Dispute("sdp_1", 300_001, "open", till.life.stage.now, till.life.stage.now)
    cleared = ports.Effect(ports.CLEARED, 300_000, operation.created_at)
    till.tell(operation.id, ports.Done(operation.provider_ref or "", (cleared,), (dispute,)))
    assert till.operation(operation.id).failure_code == "contradicted"
    assert close(till) == "active"
    # 2,500.00 buys 3,571 tokens at 0.70 for 2,499.70; the other 2,999.50 stay in escrow and nothing is released.
    offering = till.offering()
    assert (offering.counted_minor, offering.releases_stopped is None) == (249_970, False)
    assert till.balances()["escrow:O"] == 249_970 + 299_950
    assert figures.released(till.life) == []
    # Had it been counted, the self-check would say so.
    with Session(db.engine) as session:
        stated = offering.counted_minor + 299_950
        session.execute(sa.update(Offering).where(Offering.id == offering.id).values(counted_minor=stated))
        assert "counted_taken_back" in {each.code for each in progress.check(session)}


def test_wnd_4_money_sent_by_bank_and_taken_back_is_settled_like_a_charge(db: Database) -> None:
    life = lives.live(db, investors=1)
    till = Till(life)
    bank = Bank(till, 150_000)
    life.commitments.append(bank.commitment_id)
    bank.send(150_000)
    altered.changed(life, price_micro=700_000)
    altered.reconfirm(life, 0)
    life.stage.work()
    [credit] = till.operations("credit")
    effects = (
        ports.Effect(ports.CLEARED, 150_000, credit.created_at), ports.Effect(ports.RETURNED, 150_000, life.stage.now)
    )
    told = ports.Done(credit.provider_ref or "", effects)
    till.tell(credit.id, told)
    assert till.operation(credit.id).failure_code == "float_short"
    assert _bar(till) == (0, 149_940, 0)
    till.fund(60)
    till.tell(credit.id, told)
    assert till.balances() == {"loss:platform:O": 60}
    assert (till.commitment(bank.commitment_id).status, till.offering().releases_stopped) == ("reversed", None)
