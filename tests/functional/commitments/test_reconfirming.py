"""After a material change everybody reconfirms, cancels or is refunded (OFF-8, COM-1, COM-2)."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from app.commitments import queries as commitment_queries
from app.commitments import reconfirm_rounds
from app.commitments import service as commitments
from app.commitments.models import Commitment, EscrowStatement, Refund
from app.commitments.totals import totals_of
from app.db import Database
from app.ledger.models import Journal
from app.notices.models import Notice
from app.offerings.change_models import OfferingChange
from tests.factories import altered, halts
from tests.factories import life as lives
from tests.factories.life import Life
from tests.unchanged import refused

SECOND = dt.timedelta(seconds=1)

#: What is decided in Python alike is asked once; the set-based and the locked is asked of both databases.
on_sqlite = pytest.mark.databases("sqlite")


def statuses(life: Life) -> list[str]:
    return [altered.commitment(life, index).status for index in range(len(life.commitments))]


def refunds(life: Life) -> list[tuple[int, str]]:
    with life.stage.db.read() as session:
        rows = session.execute(sa.select(Refund.amount_minor, Refund.reason).order_by(Refund.commitment_id, Refund.id))
        return [tuple(row) for row in rows]


def test_off_8_five_business_days_count_from_the_notice_and_silence_ends_at_the_exact_second(db: Database) -> None:
    life = altered.held(db, 300_000, 100_000, 150_000, 120_000)
    unpaid = life.stage.person("investor", "Unpaid Investor")
    life.investors.append(unpaid)
    # It waits for its payment as long as the round runs: paid late enough, by a slow bank.
    life.commitments.append(life.stage.commit(unpaid, life.offering_id, 60_000))
    altered.changed(life, minimum_minor=250_000)
    due = {row.due_at for row in altered.rounds(life)}
    with db.read() as session:
        told = session.scalars(sa.select(Notice.created_at).where(Notice.kind == "reconfirmation_asked")).all()
    assert len(told) == 5
    (due_at,) = due
    assert altered.rounds(life)[0].delivered_at == told[0]
    altered.reconfirm(life, 0)
    altered.leave(life, 1)
    life.stage.advance_to(due_at - 3 * SECOND)
    assert statuses(life) == ["held", "cancelled", "held", "held", "expired"]
    altered.reconfirm(life, 2, now=due_at - SECOND)
    with refused(db, "reconfirm_too_late"):
        altered.reconfirm(life, 3, now=due_at)
    with refused(db, "reconfirm_too_late"):
        altered.leave(life, 3, now=due_at)
    life.stage.advance_to(due_at)
    assert statuses(life) == ["held", "cancelled", "held", "cancelled", "expired"]
    assert [row.answer for row in altered.rounds(life)] == ["confirmed", "cancelled", "confirmed", "silent", "ended"]
    assert refunds(life) == [(100_000, "cancelled"), (120_000, "not_reconfirmed")]
    offering = life.stage.offering(life.offering_id)
    assert (offering.committed_minor, offering.unpaid_minor) == (450_000, 0)
    with db.read() as session:
        silent = session.scalars(
            sa.select(Notice).where(Notice.kind == "not_reconfirmed", Notice.user_id == life.investors[3].user_id)
        ).one()
        assert '"my_amount_minor": 120000' in silent.params
        assert '"refund_minor": 120000' in silent.params
        assert session.scalar(
            sa.select(sa.func.count()).select_from(Notice).where(Notice.kind == "not_reconfirmed")) == 1


def test_off_8_everybody_silent_is_one_journal_with_a_row_and_a_refund_each(db: Database) -> None:
    life = altered.held(db, *[100_000 + index for index in range(6)])
    change = altered.changed(life, minimum_minor=250_000)
    due_at = altered.rounds(life)[0].due_at
    assert due_at is not None
    life.stage.advance_to(due_at)
    with db.read() as session:
        journals = session.scalars(sa.select(Journal.id).where(Journal.kind == "cancelled")).all()
        rows = session.execute(
            sa.select(EscrowStatement.journal_id, EscrowStatement.amount_minor, EscrowStatement.entitled_after_tokens)
            .where(EscrowStatement.kind == "cancelled").order_by(EscrowStatement.ordinal)
        ).all()
        paid = session.scalars(sa.select(Commitment.amount_minor).order_by(Commitment.id)).all()
    assert len(journals) == 1
    assert [tuple(row) for row in rows] == [(journals[0], -amount, 0) for amount in paid]
    assert refunds(life) == [(amount, "not_reconfirmed") for amount in paid]
    assert altered.change_row(life, change).is_material
    assert life.stage.close(life.offering_id) == "failed"


@on_sqlite
def test_off_8_the_windows_pass_over_weekends_and_a_holiday(db: Database) -> None:
    life = altered.held(db, 100_000, fields={"deadline_at": dt.datetime(2027, 12, 1, tzinfo=dt.UTC)})
    life.stage.advance_to(dt.datetime(2027, 6, 30, 15, tzinfo=dt.UTC))  # a Wednesday; Monday 5 July is a holiday
    change = altered.propose(life, minimum_minor=250_000)
    assert altered.change_row(life, change).decide_by.date() == dt.date(2027, 7, 2)
    altered.decide(life, change)
    (row,) = altered.rounds(life)
    assert row.due_at is not None
    assert row.due_at.date() == dt.date(2027, 7, 8)
    life.stage.advance_to(dt.datetime(2027, 7, 2, 15, tzinfo=dt.UTC))
    assert altered.change_row(life, altered.propose(life, story="Anew")).decide_by.date() == dt.date(2027, 7, 7)


@on_sqlite
def test_off_8_a_deadline_that_leaves_too_few_days_moves_and_who_is_asked_may_leave_past_the_cut_off(
    db: Database,
) -> None:
    life = altered.held(db, 300_000, 100_000)
    stage, deadline = life.stage, life.stage.offering(life.offering_id).deadline_at
    stage.advance_to(deadline - dt.timedelta(days=3))
    altered.changed(life, minimum_minor=250_000)
    offering, due_at = stage.offering(life.offering_id), altered.rounds(life)[0].due_at
    assert due_at is not None
    assert offering.deadline_at >= due_at > deadline
    assert offering.deadline_at - due_at < dt.timedelta(days=1)
    assert offering.deadline_at.time() == deadline.time()
    assert offering.cancel_until == offering.deadline_at - dt.timedelta(hours=48)
    assert offering.step_due_at == offering.deadline_at
    last = due_at - SECOND
    assert last > offering.cancel_until
    with refused(db, "too_late_to_cancel"):
        db.unit_of_work(
            lambda s: commitments.cancel(
                s, actor=life.investors[1], commitment_id=life.commitments[1], now=last
            )
        )
    life.investors.reverse()
    with refused(db, "commitment_not_found"):
        altered.reconfirm(life, 0)
    with refused(db, "commitment_not_found"):
        altered.leave(life, 0)
    life.investors.reverse()
    altered.leave(life, 1, now=last)
    altered.reconfirm(life, 0, now=last)
    assert statuses(life) == ["held", "cancelled"]
    assert stage.close(life.offering_id) == "active"


def test_com_1_reconfirming_twice_is_one_answer_and_another_form_is_refused(db: Database) -> None:
    life = altered.held(db, 300_000)
    old = altered.terms_of(life)
    altered.changed(life, minimum_minor=250_000)
    with refused(db, "terms_changed"):
        altered.reconfirm(life, 0, terms_hash=old)
    altered.reconfirm(life, 0, key="one-form")
    altered.reconfirm(life, 0, key="one-form")
    altered.reconfirm(life, 0, key="other-tab")
    with refused(db, "key_reused"):
        altered.reconfirm(life, 0, key="one-form", terms_hash=old)
    with refused(db, "nothing_to_reconfirm"):
        altered.leave(life, 0)
    assert [row.answer for row in altered.rounds(life)] == ["confirmed"]
    assert altered.commitment(life, 0).version_number == 2


@on_sqlite
def test_com_2_an_order_on_old_terms_is_refused_with_what_changed(db: Database) -> None:
    life = lives.live(db, investors=1)
    old, investor = altered.terms_of(life), life.investors[0]
    altered.decide(life, altered.propose(
        life, price_micro=250_000, deadline_at=life.stage.now + dt.timedelta(days=60)))
    with refused(db, "terms_changed"):
        db.unit_of_work(
            lambda s: commitments.accept_commitment(
                s, actor=investor, offering_id=life.offering_id, party_id=life.stage.party(investor, "investor"),
                amount_minor=50_000, terms_hash=old, wording_hash="x", key="k", now=life.stage.now,
            )
        )


def test_off_8_a_second_change_starts_everybody_anew_also_who_had_reconfirmed(db: Database) -> None:
    life = altered.held(db, 300_000, 100_000)
    altered.changed(life, minimum_minor=250_000)
    altered.reconfirm(life, 0)
    life.stage.advance(days=2)
    newcomer = life.stage.person("investor", "New Investor")
    life.investors.append(newcomer)
    life.commitments.append(life.stage.invest(newcomer, life.offering_id, 70_000))
    altered.changed(life, minimum_minor=260_000)
    with db.read() as session:
        numbers = dict(session.execute(sa.select(OfferingChange.id, OfferingChange.number)).all())
    # Who is asked is asked in one statement, in no order.
    found = [(numbers[row.change_id], row.from_number, row.answer or "") for row in altered.rounds(life)]
    assert sorted(found) == [(1, 1, "confirmed"), (1, 1, "superseded"), (2, 1, ""), (2, 2, ""), (2, 2, "")]
    due_at = altered.rounds(life)[-1].due_at
    assert due_at is not None
    altered.reconfirm(life, 1)
    life.stage.advance_to(due_at)
    assert statuses(life) == ["cancelled", "held", "cancelled"]
    assert altered.commitment(life, 1).version_number == 3


def test_off_8_a_higher_price_buys_fewer_whole_tokens_for_the_same_money_and_the_rest_goes_back(db: Database) -> None:
    life = altered.held(db, 100_000, 100_050, 300_000)
    altered.changed(life, price_micro=700_000)
    before = altered.commitment(life, 0)
    assert (before.tokens, before.amount_minor, before.price_micro) == (2_000, 100_000, 500_000)
    for index in range(3):
        altered.reconfirm(life, index)
    found = [altered.commitment(life, index) for index in range(3)]
    assert [(each.tokens, each.amount_minor) for each in found] == [(1_428, 99_960), (1_429, 100_030), (4_285, 299_950)]
    assert refunds(life) == [(40, "repriced"), (20, "repriced"), (50, "repriced")]
    offering = life.stage.offering(life.offering_id)
    assert offering.committed_minor == 99_960 + 100_030 + 299_950
    with db.read() as session:
        raised = commitment_queries.raised(session, [offering])[offering.id]
        parties = [life.stage.party(each, "investor") for each in life.investors]
        (totals,) = totals_of(session, parties)
    assert raised.cleared_minor == 499_940
    assert (totals.committed_minor, totals.escrow_minor, totals.refunded_minor) == (500_050, 499_940, 110)
    assert life.stage.close(life.offering_id) == "active"
    lives.released(life, 1)


@on_sqlite
def test_off_8_a_lower_price_buys_more_tokens_and_the_reserve_covers_them(db: Database) -> None:
    life = altered.held(db, 400_000, 600_000)  # the whole maximum
    altered.changed(life, price_micro=250_000)
    altered.reconfirm(life, 0)
    altered.reconfirm(life, 1)
    assert [altered.commitment(life, index).tokens for index in range(2)] == [16_000, 24_000]
    assert refunds(life) == []
    assert life.stage.close(life.offering_id) == "active"


@on_sqlite
def test_off_8_an_unpaid_commitment_reconfirms_at_the_new_price_and_pays_that(db: Database) -> None:
    life = altered.held(db, 300_000)
    investor = life.stage.person("investor", "Slow Investor")
    life.investors.append(investor)
    life.commitments.append(life.stage.commit(investor, life.offering_id, 100_000))
    altered.changed(life, price_micro=700_000)
    altered.reconfirm(life, 1)
    assert life.stage.offering(life.offering_id).unpaid_minor == 99_960
    life.stage.pay(investor, life.commitments[1])
    life.stage.work()
    found = altered.commitment(life, 1)
    assert (found.status, found.tokens, found.amount_minor) == ("held", 1_428, 99_960)
    assert refunds(life) == []


@on_sqlite
def test_off_8_a_payment_under_way_at_the_old_price_counts_at_the_new_one_and_the_rest_goes_back(
    db: Database,
) -> None:
    life = altered.held(db, 300_000)
    investor = life.stage.person("investor", "Bank Investor")
    life.investors.append(investor)
    life.commitments.append(life.stage.invest(investor, life.offering_id, 100_000, "bank_2d"))
    altered.changed(life, price_micro=700_000)
    altered.reconfirm(life, 1)
    life.stage.advance(days=1)
    life.stage.advance(days=1)
    life.stage.advance(days=2)
    found = altered.commitment(life, 1)
    assert (found.status, found.tokens, found.amount_minor) == ("held", 1_428, 99_960)
    assert [amount for amount, _reason in refunds(life)] == [40]


@on_sqlite
def test_off_8_money_that_buys_no_whole_token_cannot_go_on_and_silence_returns_it(db: Database) -> None:
    life = altered.held(
        db, 1_000, 300_000, fields={"price_micro": 10_000, "minimum_ticket_minor": 1_000},
    )
    altered.changed(life, price_micro=15_000_000, minimum_ticket_minor=1_000_000)
    with refused(db, "buys_nothing"):
        altered.reconfirm(life, 0)
    altered.reconfirm(life, 1)  # the larger minimum ticket is not asked of those who are in
    assert altered.commitment(life, 1).tokens == 200
    due_at = altered.rounds(life)[0].due_at
    assert due_at is not None
    life.stage.advance_to(due_at)
    assert statuses(life) == ["cancelled", "held"]
    assert refunds(life) == [(1_000, "not_reconfirmed")]


@on_sqlite
def test_off_8_a_withdrawal_in_the_middle_of_a_round_refunds_everybody(db: Database) -> None:
    life = altered.held(db, 300_000, 100_000)
    altered.changed(life, minimum_minor=250_000)
    altered.reconfirm(life, 0)
    from app.offerings import withdrawing

    db.unit_of_work(
        lambda s: withdrawing.withdraw(
            s, actor=life.founder, offering_id=life.offering_id, reason="We stop.", now=life.stage.now
        )
    )
    life.stage.work()
    assert life.stage.offering(life.offering_id).state == "withdrawn"
    assert [row.answer for row in altered.rounds(life)] == ["confirmed", "ended"]
    assert sorted(amount for amount, _reason in refunds(life)) == [100_000, 300_000]


@on_sqlite
def test_off_8_a_material_change_voids_an_announced_early_close(db: Database) -> None:
    life = altered.held(db, 300_000, fields={"deadline_at": lives.Stage(db, lives.settings_for(db)).now
                                             + dt.timedelta(days=60)})
    earlier = life.stage.offering(life.offering_id)
    halts.announce(life, life.stage.now + dt.timedelta(days=30))
    assert life.stage.offering(life.offering_id).deadline_at < earlier.deadline_at
    altered.changed(life, minimum_minor=250_000)
    with refused(db, "reconfirmation_open"):
        halts.announce(life, life.stage.now + dt.timedelta(days=30))
    offering = life.stage.offering(life.offering_id)
    assert (offering.deadline_at, offering.cancel_until) == (earlier.deadline_at, earlier.cancel_until)


@on_sqlite
def test_off_8_a_round_takes_as_many_statements_for_nine_investors_as_for_three(db: Database) -> None:
    counts = []
    for investors in (3, 9):
        life = altered.held(db, *[60_000 + index for index in range(investors)])
        change = altered.propose(life, minimum_minor=250_000)
        sent: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object, sent: list[str] = sent) -> None:
            sent.append(statement)

        sa.event.listen(db.engine, "before_cursor_execute", note)
        altered.decide(life, change, work=False)
        life.stage.work()
        sent_asking = len(sent)
        row = altered.rounds(life)[-1]
        db.unit_of_work(lambda s, row=row: reconfirm_rounds.let_silence_end(s, row.change_id, now=row.due_at))
        sa.event.remove(db.engine, "before_cursor_execute", note)
        counts.append(len(sent) - sent_asking)
        assert {row.answer for row in altered.rounds(life)[-investors:]} == {"silent"}
    assert counts[0] == counts[1]
