"""Each event of docs/ledger.md has a worked example here with exactly its journal. Payments have theirs beside them."""

from __future__ import annotations

import sqlalchemy as sa

from app.commitments.models import EscrowStatement, Refund
from app.db import Database
from app.ledger import queries as ledger
from app.offerings.models import Offering
from app.register.models import RegisterEntry
from tests.factories import altered
from tests.factories import life as lives
from tests.factories.life import Life

#: The example of REL-2: three investors at 0.01 a token, tranches of 3,333, 3,334 and 3,333 basis points.
PENNIES = {
    "price_micro": 10_000, "minimum_minor": 150_000, "target_minor": 183_334, "maximum_minor": 200_000,
    "minimum_ticket_minor": 30_000,
}
THIRDS = {"tranches": (3333, 3334, 3333), "closing_bp": 0}
PAID = (100_001, 50_000, 33_333)


def journals(life: Life, kind: str) -> list[dict[str, int]]:
    """Return the journals of a kind, oldest first, as {account: debits less credits}; O, C and I are public ids."""
    short = {life.offering_id: "O", life.token_class_id: "C", life.issuer_id: "I"}
    with life.stage.db.read() as session:
        found = [each for each in ledger.journals(session, limit=500) if each.kind == kind]
    return [
        {":".join(short.get(part, part) for part in entry.address.split(":")): entry.amount for entry in each.entries}
        for each in reversed(found)
    ]


def statement(life: Life, kind: str) -> list[tuple[int, int, int]]:
    """Return (amount, tokens issued, entitled after) of the statement's rows of a kind, as they were written."""
    with life.stage.db.read() as session:
        rows = session.execute(
            sa.select(EscrowStatement.amount_minor, EscrowStatement.tokens_issued,
                      EscrowStatement.entitled_after_tokens)
            .where(EscrowStatement.kind == kind)
            .order_by(EscrowStatement.id)
        )
        return [tuple(row) for row in rows]


def refunds(life: Life) -> list[tuple[int, str]]:
    with life.stage.db.read() as session:
        rows = session.execute(sa.select(Refund.amount_minor, Refund.reason).order_by(Refund.id))
        return [tuple(row) for row in rows]


def committed(life: Life) -> int:
    with life.stage.db.read() as session:
        return session.execute(sa.select(Offering.committed_minor)).scalar_one()


def test_off_1_authorising_a_class_debits_unissued(db: Database) -> None:
    life = lives.drafted(db, authorised=1_000_000)
    assert journals(life, "class_authorised") == [{"unissued:C": 1_000_000, "authorised:C": -1_000_000}]


def test_off_1_publishing_reserves_for_the_whole_maximum(db: Database) -> None:
    life = lives.live(db)
    # 10,000.00 at 0.50 a token.
    assert journals(life, "offering_published") == [{"reserved:O": 20_000, "unissued:C": -20_000}]


def test_com_1_a_commitment_posts_nothing_and_takes_its_place(db: Database) -> None:
    life = lives.live(db)
    with db.read() as session:
        before = len(ledger.journals(session, limit=500))
    life.stage.commit(life.investors[0], life.offering_id, 100_001)
    with db.read() as session:
        assert len(ledger.journals(session, limit=500)) == before
    assert committed(life) == 100_000


def test_com_6_cancelling_moves_escrow_to_refunds(db: Database) -> None:
    life = lives.live(db)
    paid = life.stage.invest(life.investors[0], life.offering_id, 100_000)
    life.stage.cancel(life.investors[0], paid)
    assert journals(life, "cancelled") == [{"escrow:O": 100_000, "refunds:O": -100_000}]
    assert statement(life, "cancelled") == [(-100_000, 0, 0)]
    assert refunds(life) == [(100_000, "cancelled")]
    assert committed(life) == 0


def test_a_close_that_succeeds_frees_what_was_not_allotted(db: Database) -> None:
    life = lives.active(db, amounts=(100_000, 150_000), contract={"closing_bp": 0, "tranches": (5000, 5000)})
    # 2,500.00 at 0.50 a token are 5,000 of the 20,000 reserved.
    assert journals(life, "closed") == [{"unissued:C": 15_000, "reserved:O": -15_000}]
    assert journals(life, "released") == []


def test_off_9_a_close_that_fails_gives_everything_back(db: Database) -> None:
    life = lives.live(db)
    for investor, amount in zip(life.investors, (100_000, 50_000), strict=False):
        life.stage.invest(investor, life.offering_id, amount)
    assert life.stage.close(life.offering_id) == "failed"
    assert journals(life, "given_back") == [
        {"escrow:O": 150_000, "refunds:O": -150_000, "unissued:C": 20_000, "reserved:O": -20_000}
    ]
    assert statement(life, "returned") == [(-100_000, 0, 0), (-50_000, 0, 0)]
    assert refunds(life) == [(100_000, "minimum_missed"), (50_000, "minimum_missed")]


def test_rel_1_2_and_4_a_release_of_611_05_at_5_percent_is_one_journal(db: Database) -> None:
    life = lives.active(db, amounts=PAID, fields=PENNIES, contract=THIRDS)
    lives.released(life, 1)
    assert journals(life, "released") == [
        {"escrow:O": 61_105, "payable:I:O": -58_050, "fees:O": -3_055, "outstanding:C": 61_105, "reserved:O": -61_105}
    ]
    assert statement(life, "released") == [
        (-33_330, 33_330, 100_001), (-16_665, 16_665, 50_000), (-11_110, 11_110, 33_333)
    ]
    with db.read() as session:
        rows = session.execute(sa.select(RegisterEntry.quantity, RegisterEntry.kind).order_by(RegisterEntry.id))
        assert [tuple(row) for row in rows] == [(33_330, "issued"), (16_665, "issued"), (11_110, "issued")]


def test_rel_2_everyone_ends_exactly_whole(db: Database) -> None:
    life = lives.active(db, amounts=PAID, fields=PENNIES, contract=THIRDS)
    for ordinal in (1, 2, 3):
        lives.released(life, ordinal)
    assert [each["escrow:O"] for each in journals(life, "released")] == [61_105, 61_123, 61_106]
    assert [row[0] for row in statement(life, "released")] == [
        -33_330, -16_665, -11_110, -33_340, -16_670, -11_113, -33_331, -16_665, -11_110
    ]
    assert life.stage.offering(life.offering_id).state == "completed"


def test_wnd_2_a_wind_down_returns_the_rest_and_lapses_its_tokens(db: Database) -> None:
    life = lives.active(db, amounts=PAID, fields=PENNIES, contract=THIRDS)
    lives.released(life, 1)
    life.stage.resign(life.founder, life.offering_id, reason="The market is gone.")
    life.stage.work()
    # 1,833.34 less 611.05, and the 122,229 tokens that this money would have bought at 0.01.
    assert journals(life, "returned") == [
        {"escrow:O": 122_229, "refunds:O": -122_229, "unissued:C": 122_229, "reserved:O": -122_229}
    ]
    assert statement(life, "returned") == [(-66_671, 0, 33_330), (-33_335, 0, 16_665), (-22_223, 0, 11_110)]
    assert [amount for amount, _reason in refunds(life)] == [66_671, 33_335, 22_223]
    assert life.stage.offering(life.offering_id).state == "wound_down"


def test_rel_5_the_payout_follows_the_release(db: Database) -> None:
    life = lives.active(db, amounts=PAID, fields=PENNIES, contract=THIRDS)
    lives.released(life, 1)
    life.stage.work()
    assert journals(life, "payout_reserved") == [{"payable:I:O": 58_050, "paying:I:O": -58_050}]
    assert journals(life, "payout_done") == [{"paying:I:O": 58_050, "cash:sandbox:O": -58_050}]


def test_rel_5_a_failed_payout_leaves_the_money_payable_and_the_tokens_issued(db: Database) -> None:
    life = lives.active(db, amounts=PAID, fields=PENNIES, contract=THIRDS, payee_ref="sbx_acct_fails")
    lives.released(life, 1)
    life.stage.work()
    assert journals(life, "payout_failed")[0] == {"paying:I:O": 58_050, "payable:I:O": -58_050}
    assert journals(life, "released")[0]["outstanding:C"] == 61_105
    assert journals(life, "payout_done") == []


def test_an_operator_funds_the_float(db: Database) -> None:
    life = lives.drafted(db)
    life.stage.fund_float(life.operator, 50_000, "USD/2")
    assert journals(life, "float_funded") == [{"cash:sandbox:platform": 50_000, "capital:platform": -50_000}]


def test_rel_4_fees_are_swept_once_earned(db: Database) -> None:
    life = lives.active(db, amounts=PAID, fields=PENNIES, contract=THIRDS)
    lives.released(life, 1)
    life.stage.work()
    assert journals(life, "fees_swept") == [
        {"cash:sandbox:platform": 3_055, "cash:sandbox:O": -3_055, "fees:O": 3_055, "capital:platform": -3_055}
    ]


def test_off_8_a_change_of_the_maximum_moves_the_reserve_in_one_journal(db: Database) -> None:
    life = altered.held(db, 100_000)
    altered.changed(life, maximum_minor=2_000_000)
    assert journals(life, "maximum_changed") == [{"reserved:O": 20_000, "unissued:C": -20_000}]


def test_off_8_silence_and_another_price_are_journals_of_their_own(db: Database) -> None:
    life = altered.held(db, 100_000, 100_000, 120_000, 130_000)
    altered.changed(life, price_micro=700_000)
    altered.reconfirm(life, 0)
    due_at = altered.rounds(life)[1].due_at
    assert due_at is not None
    life.stage.advance_to(due_at)
    assert journals(life, "repriced_out") == [{"escrow:O": 100_000, "unapplied:sandbox:O": -100_000}]
    assert journals(life, "repriced") == [{"unapplied:sandbox:O": 100_000, "escrow:O": -99_960, "refunds:O": -40}]
    assert journals(life, "cancelled") == [{"escrow:O": 350_000, "refunds:O": -350_000}]
    assert statement(life, "repriced") == [(99_960, 0, 1_428)]
    assert statement(life, "cancelled") == [(-100_000, 0, 0), (-120_000, 0, 0), (-130_000, 0, 0)]
