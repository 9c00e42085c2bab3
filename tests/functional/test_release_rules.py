"""Rules of what leaves escrow: releases, tokens, fees, payouts, wind-down; on both databases."""

from __future__ import annotations

import json

import sqlalchemy as sa

from app.commitments import escrow
from app.commitments.models import Commitment, EscrowStatement, Refund
from app.db import Database
from app.ledger import chart, queries
from app.ledger.models import Entry, Journal, LedgerAccount
from app.offerings.models import Offering
from app.payments.models import Payout
from app.progress import interventions
from app.progress import queries as progress
from app.progress.models import Release, Submission
from app.register.models import RegisterEntry
from milestones import apportion, money
from tests.factories import life

USD = money.Asset("USD", 2)


def lines(db: Database, kind: str) -> list[tuple[str, int]]:
    """Return (first part of the address, amount) of the only journal of a kind."""
    with db.read() as session:
        rows = session.execute(
            sa.select(LedgerAccount.address, Entry.amount)
            .join(Entry, Entry.account_id == LedgerAccount.id)
            .join(Journal, Journal.id == Entry.journal_id)
            .where(Journal.kind == kind)
            .order_by(LedgerAccount.address)
        ).all()
    return sorted((row.address.split(":")[0], row.amount) for row in rows)


def test_rel_1_a_release_is_one_journal_with_a_money_and_a_token_leg(db: Database) -> None:
    life.active(db, amounts=(100_000, 150_000, 133_300))
    assert lines(db, "released") == [
        ("escrow", 57_495), ("fees", -2_874), ("outstanding", 1_149), ("payable", -54_621), ("reserved", -1_149)
    ]


def test_rel_2_the_statement_divides_as_the_engine_does(db: Database) -> None:
    amounts = (100_050, 50_000, 133_350, 77_750)
    story = life.active(db, amounts=amounts)
    for ordinal in (1, 2, 3):
        life.released(story, ordinal)
    left = list(amounts)
    with db.read() as session:
        for release in session.execute(sa.select(Release).order_by(Release.id)).scalars():
            rows = session.execute(
                sa.select(EscrowStatement).where(EscrowStatement.journal_id == release.journal_id)
                .order_by(EscrowStatement.ordinal)
            ).scalars().all()
            shares = apportion.apportion(release.amount_minor, left)
            assert [-row.amount_minor for row in rows] == shares
            left = [held - share for held, share in zip(left, shares, strict=True)]
    assert left == [0, 0, 0, 0]


def test_rel_2_products_past_64_bits_divide_the_same(db: Database) -> None:
    huge = 4_000_000_000_000
    amounts = (huge, huge // 3 * 2, huge // 7 * 5)
    story = life.active(
        db, amounts=amounts, authorised=1_000_000_000_000,
        fields={"price_micro": 1_000_000_000, "maximum_minor": 4 * huge, "target_minor": 2 * huge,
                "minimum_minor": huge, "minimum_ticket_minor": 1_000_000_000},
        contract={"auditors": 1},
    )
    paid = _positions(db)
    closing = story.stage.milestone(story.offering_id, 0)
    assert closing.released_minor == sum(paid) * 1500 // 10_000
    with db.read() as session:
        rows = session.execute(
            sa.select(EscrowStatement.amount_minor).where(EscrowStatement.kind == "released")
            .order_by(EscrowStatement.ordinal)
        ).scalars().all()
    assert [-each for each in rows] == apportion.apportion(closing.released_minor, paid)


def _positions(db: Database) -> list[int]:
    with db.read() as session:
        return list(session.execute(
            sa.select(EscrowStatement.amount_minor).where(EscrowStatement.kind == "paid")
            .order_by(EscrowStatement.ordinal)
        ).scalars())


def test_rel_3_tokens_follow_the_released_money_and_end_at_the_entitlement(db: Database) -> None:
    story = life.active(db, amounts=(100_003, 100_050, 133_333))
    with db.read() as session:
        after_closing = [
            (row.released_after_minor, row.issued_after_tokens, row.entitled_after_tokens)
            for row in session.execute(
                sa.select(EscrowStatement).where(EscrowStatement.kind == "released").order_by(EscrowStatement.ordinal)
            ).scalars()
        ]
    for released, issued, _entitled in after_closing:
        assert issued == money.tokens_for(released, 500_000, USD)
    for ordinal in (1, 2, 3):
        life.released(story, ordinal)
    with db.read() as session:
        held = session.execute(
            sa.select(sa.func.sum(RegisterEntry.quantity)).group_by(RegisterEntry.party_id)
            .order_by(RegisterEntry.party_id)
        ).scalars().all()
    assert [int(each) for each in held] == [2_000, 2_001, 2_666]
    assert story.stage.offering(story.offering_id).state == "completed"


def test_rel_4_the_fee_is_floored_and_a_refund_carries_none(db: Database) -> None:
    story = life.active(db, amounts=(100_000, 100_000, 100_000), fee_bp=333)
    with db.read() as session:
        release = session.execute(sa.select(Release)).scalar_one()
    assert (release.amount_minor, release.fee_minor) == (45_000, 1_498)
    stop = story.stage.milestone(story.offering_id, 1).deadline_at
    assert stop is not None
    story.stage.advance_to(stop)
    with db.read() as session:
        assert session.execute(sa.select(sa.func.sum(Refund.amount_minor))).scalar_one() == 255_000


def test_rel_5_a_failed_payout_leaves_the_money_payable_and_the_tokens_issued(db: Database) -> None:
    story = life.active(db, payee_ref="sbx_acct_fails")
    with db.read() as session:
        payout = session.execute(sa.select(Payout)).scalar_one()
        assert payout.status == "waiting"
        assert payout.failures >= 1
        account = chart.payable(story.issuer_id, story.offering_id, "USD/2")
        assert queries.balance(session, account) == payout.amount_minor
        assert session.execute(sa.select(sa.func.sum(RegisterEntry.quantity))).scalar_one() > 0


def test_wnd_2_if_it_stopped_today_is_what_a_wind_down_posts(db: Database) -> None:
    story = life.active(db, amounts=(100_050, 50_000, 133_350, 77_750))
    life.released(story, 1)
    with db.read() as session:
        offering = session.execute(sa.select(Offering)).scalar_one()
        promised = progress.if_stopped(session, offering)
        ids = session.execute(sa.select(Commitment.id).order_by(Commitment.ordinal)).scalars().all()
        each = [
            progress.if_stopped_for(session, offering, one, escrow.position(session, one)) for one in ids
        ]
    assert promised is not None
    db.unit_of_work(
        lambda s: interventions.wind_down(
            s, actor=story.founder, offering_id=story.offering_id, trigger="founder_resigned",
            reason="We cannot build it.", now=story.stage.now,
        )
    )
    story.stage.work()
    with db.read() as session:
        refunds = session.execute(sa.select(Refund).order_by(Refund.commitment_id)).scalars().all()
        assert [refund.amount_minor for refund in refunds] == [one.back_minor for one in each if one]
        assert sum(refund.amount_minor for refund in refunds) == promised.back_minor
        assert {refund.status for refund in refunds} == {"done"}
    assert story.stage.offering(story.offering_id).state == "wound_down"


def test_wnd_2_a_submission_received_before_runs_to_its_verdict(db: Database) -> None:
    story = life.active(db)
    milestone = story.stage.milestone(story.offering_id, 1)
    submission = story.stage.submit_evidence(story.founder, milestone.public_id)
    life.ordered_down(story)
    assert story.stage.offering(story.offering_id).state == "winding_down"
    story.stage.attest(story.auditors[0], submission)
    window = story.stage.milestone(story.offering_id, 1).deadline_at
    assert window is not None
    story.stage.advance_to(window)
    assert story.stage.milestone(story.offering_id, 1).state == "released"
    assert story.stage.offering(story.offering_id).state == "wound_down"
    with db.read() as session:
        back = session.execute(sa.select(sa.func.sum(Refund.amount_minor))).scalar_one()
    assert back == 383_300 - 57_495 - 114_990


def test_wnd_2_a_submission_that_fails_during_a_wind_down_returns_its_tranche(db: Database) -> None:
    story = life.active(db)
    milestone = story.stage.milestone(story.offering_id, 1)
    submission = story.stage.submit_evidence(story.founder, milestone.public_id)
    db.unit_of_work(
        lambda s: interventions.wind_down(
            s, actor=story.founder, offering_id=story.offering_id, trigger="founder_resigned", reason="We give up.",
            now=story.stage.now,
        )
    )
    story.stage.attest(story.auditors[0], submission, "not_met")
    story.stage.advance(days=8)
    assert story.stage.offering(story.offering_id).state == "wound_down"
    with db.read() as session:
        assert session.execute(sa.select(sa.func.sum(Refund.amount_minor))).scalar_one() == 383_300 - 57_495


def test_wnd_3_issued_tokens_remain_and_unissued_entitlement_lapses(db: Database) -> None:
    story = life.active(db)
    stop = story.stage.milestone(story.offering_id, 1).deadline_at
    assert stop is not None
    story.stage.advance_to(stop)
    with db.read() as session:
        issued = session.execute(sa.select(sa.func.sum(RegisterEntry.quantity))).scalar_one()
        reserved = session.execute(
            sa.select(LedgerAccount.balance).where(LedgerAccount.address.startswith("reserved:"))
        ).scalar_one()
    assert (int(issued), reserved) == (1_149, 0)


def test_tok_3_the_register_replays_any_past_moment(db: Database) -> None:
    from app.register import queries as register

    story = life.active(db)
    between = story.stage.now
    life.released(story, 1)
    with db.read() as session:
        class_id = session.execute(sa.select(Offering.token_class_id)).scalar_one()
        then = sum(each.quantity for each in register.holdings(session, class_id, as_of=between))
        now = sum(each.quantity for each in register.holdings(session, class_id))
        first = session.execute(sa.select(Release.tokens).order_by(Release.id)).scalars().first()
    assert then == first
    assert now > then


def test_return_tranche_of_a_parallel_contract_returns_only_its_own(db: Database) -> None:
    story = life.active(
        db, amounts=(100_000, 100_000, 100_000),
        contract={"order": "parallel", "on_failure": "return_tranche", "closing_bp": 0,
                  "tranches": (3000, 3000, 4000), "resubmissions": 0},
    )
    life.released(story, 2)
    life.reviewed(story, 1, "not_met")
    story.stage.advance(days=8)
    assert [row.state for row in story.stage.milestones(story.offering_id)] == ["failed", "released", "open"]
    life.released(story, 3)
    assert story.stage.offering(story.offering_id).state == "completed"
    with db.read() as session:
        refunds = session.execute(sa.select(Refund.amount_minor)).scalars().all()
        verdicts = session.execute(sa.select(Submission.verdict_detail).order_by(Submission.id)).scalars().all()
    assert list(refunds) == [30_000, 30_000, 30_000]
    assert json.loads(verdicts[1] or "{}")["counted"] == 1
