"""TIM-4: what will happen next is what then happens, on both databases, and asking changes nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import re
from collections.abc import Iterator, Sequence

import pytest
import sqlalchemy as sa

from app import forecast, jobs, waits
from app.db import Database
from app.demo import seating
from app.demo.stage import DAY, Stage
from app.forecast import rehearsal, standing, subjects, told, waking
from app.forecast.rehearsal import Act, Rehearsal
from app.models import metadata
from app.offerings.models import Offering
from app.payments.rules import PAYEE_FAILS
from milestones import states
from tests.factories.life import active, live, reviewed, settings_for
from tests.unchanged import snapshot

DAYS = 30


def several_lives(db: Database) -> Stage:
    """Return a stage with offerings in different states, each at days of its own, and nobody left to act."""
    stage = Stage(db, settings_for(db))
    running = active(db, stage=stage)
    stage.advance(days=30)
    approved = active(db, stage=stage, contract={"closing_bp": 0, "tranches": (5000, 5000)})
    stage.advance(days=31)
    short = live(db, stage=stage, fields={"deadline_at": stage.now + dt.timedelta(days=21, hours=3)})
    stage.invest(short.investors[0], short.offering_id, 60_000, "refund_fails")
    stage.invest(short.investors[1], short.offering_id, 60_000, "fee_card")
    filling = live(db, stage=stage, investors=4, fields={"deadline_at": stage.now + dt.timedelta(days=26, hours=5)})
    for investor in filling.investors[:2]:
        stage.invest(investor, filling.offering_id, 150_000)
    reviewed(approved, 1)
    stage.advance(hours=4)
    stage.submit_evidence(running.founder, stage.milestone(running.offering_id, 1).public_id)
    stage.advance(hours=2)
    stage.invest(short.investors[2], short.offering_id, 50_000, "bank_2d")
    stage.invest(filling.investors[2], filling.offering_id, 60_000, "fails_late")
    stage.commit(filling.investors[3], filling.offering_id, 60_000)
    # Nobody could follow a silent auditor: whom the lot would draw with seeds not yet committed, nobody can foretell.
    db.unit_of_work(lambda session: seating.only_these(session, (), now=stage.now))
    stage.work()
    stage.founders_sign = False
    return stage


#: What comes into being meanwhile has another random id each time.
NEW = re.compile(r"(opn|pyo|rfd|rel|rpt|apt|drw|lsd)_[0-9a-f]+")


def lines(acts: Sequence[Act]) -> list[str]:
    """Return the acts with their journals (kind, amount, accounts) and log entries, without instants."""
    return [NEW.sub(r"\1", repr((act.job, act.subject, act.journals, act.changes, act.error))) for act in acts]


@contextlib.contextmanager
def somebody_writes(db: Database) -> Iterator[None]:
    """Keep a writing transaction open, as a worker beside would, and take it back."""
    with db.engine.connect().execution_options(milestake_write=True) as connection, connection.begin() as transaction:
        connection.execute(sa.update(Offering).values(name="Not yet"))
        yield
        transaction.rollback()


@pytest.fixture(autouse=True)
def _coarser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at what comes after the window in longer steps: that it ends is tested, not when."""
    monkeypatch.setattr(rehearsal, "COARSE", dt.timedelta(days=90))


def test_tim_4_what_was_told_is_what_happens_and_asking_changes_nothing(db: Database) -> None:
    stage = several_lives(db)
    before, mails = snapshot(db), len(list(stage.settings.mail_dir.glob("*")))

    with somebody_writes(db):
        expected = forecast.forecast(db, stage.settings, days=DAYS)

    assert snapshot(db) == before
    assert len(list(stage.settings.mail_dir.glob("*"))) == mails
    assert expected.is_sound, told.text(expected)
    seen = Rehearsal(db, stage.settings, begins_at=stage.now)
    stage.context = dataclasses.replace(stage.context, witness=seen)
    for day in range(1, DAYS + 1):
        # Days that are a little longer, so that "a day later" is the next one however long the test takes.
        stage.advance_to(expected.begins_at + day * (DAY + dt.timedelta(minutes=2)))
    assert {act.job for act in seen.acts} == {
        "expire_commitment", "refresh_operations", "end_window", "release_tranche", "reserve_payouts", "sweep_fees",
        "send_operations", "reach_deadline", "settle_close", "start_refunds", "finish_offering", "start_contract",
        "decide_review", "open_report",
    }
    assert lines(seen.acts) == lines(expected.acts)
    assert {each.address.split(":")[0] for each in expected.exits} == {"escrow", "unclaimed"}
    # What nobody can pay back waits for an operator; everything else leaves by itself.
    assert [each.owner for each in expected.exits if not each.is_dated] == ["operator"]


@pytest.mark.databases("sqlite")
def test_tim_4_what_stays_is_named_with_its_owner_and_nothing_arrives(db: Database) -> None:
    stage = Stage(db, settings_for(db))
    active(db, stage=stage, payee_ref=PAYEE_FAILS)
    stage.advance(days=8)
    raising = live(db, stage=stage)
    stage.invest(raising.investors[0], raising.offering_id, 100_000, "bank_2d")
    stage.invest(raising.investors[1], raising.offering_id, 250_000)

    found = forecast.forecast(db, stage.settings, days=2, nothing_arrives=True)
    assert not any(_is_clearing(each) for each in found.acts)
    assert found.is_sound, told.text(found)
    payable = next(each for each in found.exits if each.address.startswith("payable:"))
    assert (payable.is_dated, payable.owner, payable.left_minor) == (False, "founder", payable.amount_minor)
    text = told.text(found)
    assert rehearsal.NOTHING_ARRIVES in text
    assert "stays for its owner in charge: founder, the payout waits for another attempt" in text
    assert "wait(s) for a named person" in text
    assert json.dumps(told.document(found), default=str)


def _is_clearing(act: Act) -> bool:
    return any(posted.kind == "payment_cleared" for posted in act.journals)


def test_every_job_has_its_words_and_its_table() -> None:
    assert {job.name for job in jobs.JOBS} == set(subjects.JOBS)
    tables = {table for table, _words in subjects.JOBS.values() if table}
    assert tables <= set(metadata.tables)


def test_tim_5_everything_that_waits_for_a_person_is_looked_for() -> None:
    looked = {look.subject for look in waits.LOOKS}
    owned = {(row.subject, row.state) for row in states.WAITING if row.owner in standing.PEOPLE}
    assert {each for each in owned if each[0] not in looked} <= set(waits.ELSEWHERE)
    owners = {row.owner for row in states.WAITING} - standing.PEOPLE
    assert owners == {"clock", "rail", "rails", "worker", "the milestone before it", "the milestones"}
    for look in waits.LOOKS:
        assert {look.state, look.deadline or look.state} <= set(metadata.tables[look.table].c.keys())


def test_the_dates_that_wake_are_the_deadlines_of_the_rows() -> None:
    names = {f"{column.table.name}.{column.name}" for column in waking.dates_ahead()}
    assert names >= {
        "offering.step_due_at", "offering.deadline_at", "offering.long_stop_at", "milestone.deadline_at",
        "milestone.target_at", "commitment.pay_by", "refund.due_at", "sandbox_transfer.due_at",
    }
    assert not names & {"operation.lease_until", "outbox.claimed_until", "outbox.created_at"}


def test_moves_pair_debits_with_credits_in_the_order_of_the_journal() -> None:
    found = rehearsal.moves(
        [("escrow:o", "USD/2", 100), ("fees:o", "USD/2", -3), ("payable:i:o", "USD/2", -97),
         ("outstanding:t", "T/0", 5), ("reserved:o", "T/0", -5)], holders=2,
    )
    assert [(each.amount, each.source, each.target) for each in found] == [
        (3, "escrow:o", "fees:o"), (97, "escrow:o", "payable:i:o"), (5, "reserved:o", "outstanding:t"),
    ]
