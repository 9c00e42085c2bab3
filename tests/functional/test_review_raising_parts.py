"""What a review found of orders paid in part while terms change: the agreed price and ticket hold (COM-2, COM-5)."""

from __future__ import annotations

from app.db import Database
from tests.factories import altered
from tests.factories import life as lives
from tests.functional import figures
from tests.functional.payments.conftest import Till
from tests.functional.payments.test_parts import Bank


def test_com_5_a_part_is_scaled_down_at_the_agreed_price_and_ticket_while_a_change_waits(db: Database) -> None:
    life = lives.live(db, investors=1)
    till = Till(life)
    bank = Bank(till, 200_000)
    life.commitments.append(bank.commitment_id)
    bank.send(100_020)
    altered.changed(life, price_micro=700_000, minimum_ticket_minor=150_000)
    asked, commitment = altered.rounds(life)[0], figures.commitment(life, 0)
    assert commitment.pay_by < asked.due_at
    till.skip(seconds=int((commitment.pay_by - life.stage.now).total_seconds()) + 1)
    till.work()
    # At 0.50, as it was agreed: 1,000.20 buys 2,000 tokens for 1,000.00, and 0.20 goes back.
    scaled = figures.commitment(life, 0)
    assert (scaled.status, scaled.tokens, scaled.amount_minor) == ("held", 2_000, 100_000)
    assert (scaled.price_micro, scaled.version_number) == (500_000, 1)
    assert figures.refunds(life) == [(1, 20, "scaled_down", "done")]
    # Who reconfirms gets the new price, out of the same money: 1,428 tokens for 999.60.
    altered.reconfirm(life, 0)
    again = figures.commitment(life, 0)
    assert (again.tokens, again.amount_minor, again.price_micro, again.version_number) == (1_428, 99_960, 700_000, 2)
    assert till.balances() == {"cash:sandbox:O": 100_000, "escrow:O": 99_960, "refunds:O": 40}
