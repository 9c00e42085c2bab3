"""Every event tells whom it concerns, once, in words with figures (PPL-4, PPL-5)."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.closing import service as closing
from app.db import Database
from app.notices import rules, wording
from app.notices import service as notices
from app.notices.models import Notice
from app.offerings import issuers, withdrawing
from app.offerings import service as offerings
from app.outbox.models import OutboxMessage
from app.progress import interventions
from milestones import states
from tests.factories import life as lives

ROOT = Path(__file__).resolve().parents[3]


def told(db: Database, who: Actor, kind: str | None = None) -> list[tuple[Notice, wording.Words]]:
    """Return a person's notices with their words, oldest first."""
    with db.read() as session:
        query = sa.select(Notice).where(Notice.user_id == who.user_id).order_by(Notice.id)
        found = [each for each in session.scalars(query) if kind is None or each.kind == kind]
        words = wording.words_of(session, found)
    return [(notice, words[notice.id]) for notice in found]


def text(db: Database, who: Actor, kind: str) -> str:
    """Return all the words of the only notice of this kind."""
    ((_notice, words),) = told(db, who, kind)
    return " ".join([words.subject, *words.paragraphs, words.next_text])


def test_ppl_4_every_event_that_is_enqueued_stands_in_the_table() -> None:
    sent = set()
    for path in (ROOT / "app").rglob("*.py"):
        if "notices" in path.parts or "migrations" in path.parts:
            continue
        sent |= set(re.findall(r'"kind": "([a-z_]+)"', path.read_text()))
        sent |= {f"amendment_{each}" for each in re.findall(r'end\(session, amendment, "([a-z]+)"', path.read_text())}
        sent |= set(re.findall(r'_tell(?:_countdown)?\(session, "([a-z_]+)"', path.read_text()))
    sent |= {f"offering_{each}" for each in states.states_of("offering")} - {"offering_draft"}
    sent |= {f"milestone_{each}" for each in states.states_of("milestone")} - {"milestone_locked"}
    sent |= {"money_released", "money_returned"}
    sent |= {"offering_draft:ask_changes", "offering_draft:launch_window_over", "offering_draft:withdraw_submission"}
    known = set(rules.EVENTS) | set(rules.SILENT)

    assert sent - known == set()
    assert {each for each in known if ":" not in each} - sent == set()


def test_ppl_4_every_kind_has_its_words_and_no_words_are_without_a_kind() -> None:
    files = {path.stem for path in (ROOT / "templates" / "emails").glob("*.txt")} - {"layout"}

    assert files == set(rules.kinds())


def test_ppl_4_an_investor_hears_of_each_step_of_their_money_with_its_figure(db: Database) -> None:
    life = lives.active(db, amounts=[100_000, 150_000])
    lives.released(life, 1)
    investor = life.investors[0]

    kinds = [notice.kind for notice, _words in told(db, investor)]

    assert kinds == [
        "commitment_accepted", "payment_cleared", "offering_closed", "offering_succeeded", "money_released",
        "submission_received", "milestone_met", "money_released",
    ]
    assert "$1,000.00 for 2,000 tokens" in text(db, investor, "commitment_accepted")
    assert "Your $1,000.00 for “Halden Tidal” arrived" in text(db, investor, "payment_cleared")
    assert "$1,000.00 of yours is in escrow" in text(db, investor, "offering_succeeded")
    closing_release, first_release = told(db, investor, "money_released")
    assert "$150.00 of yours left escrow" in closing_release[1].paragraphs[0]
    assert "300 tokens were issued to you" in closing_release[1].paragraphs[0]
    assert "$300.00 of yours left escrow" in first_release[1].paragraphs[0]
    assert first_release[1].subject == "Released: Milestone 1"
    assert "$850.00 of yours is unreleased" in text(db, investor, "milestone_met")
    assert "The release runs after" in text(db, investor, "milestone_met")


def test_ppl_4_the_founder_hears_of_releases_and_payouts_with_the_fee(db: Database) -> None:
    life = lives.active(db, amounts=[100_000, 150_000])
    life.stage.advance(days=8)

    words = text(db, life.founder, "money_released")
    assert "$375.00 of “Halden Tidal” left escrow. Less the fee of $18.75, $356.25 is owed to you." in words
    assert "$356.25 of “Halden Tidal” arrived" in text(db, life.founder, "payout_paid")


def test_ppl_4_an_auditor_hears_of_the_appointment_and_the_evidence_by_when(db: Database) -> None:
    life = lives.active(db, amounts=[100_000, 150_000])
    milestone = life.stage.milestone(life.offering_id, 1)
    life.stage.submit_evidence(life.founder, milestone.public_id)
    life.stage.work()

    (auditor,) = life.auditors
    asked = told(db, auditor, "auditor_appointed")
    assert len(asked) == 3
    assert "milestone 1 of “Halden Tidal” by Halden Tidal Ltd. Up to $3,000.00" in asked[0][1].paragraphs[0]
    review = text(db, auditor, "submission_received")
    assert review.startswith("Evidence to review: Milestone 1 Submission 1 for")
    assert "$750.00 depends on it" in review
    assert "The auditors sign by" in review


def test_ppl_4_a_missed_minimum_tells_everybody_what_goes_back(db: Database) -> None:
    life = lives.live(db, investors=2)
    life.stage.invest(life.investors[0], life.offering_id, 60_000)
    life.stage.commit(life.investors[1], life.offering_id, 50_000)
    life.stage.close(life.offering_id)

    paid = text(db, life.investors[0], "minimum_missed")
    assert "needed $2,000.00 of cleared money and has $600.00" in paid
    assert "All of your $600.00 goes back" in paid
    assert "The refunds leave by" in paid
    assert "$600.00 of “Halden Tidal” arrived where it came from" in text(db, life.investors[0], "refund_done")
    unpaid = [notice.kind for notice, _words in told(db, life.investors[1])]
    assert "minimum_missed" not in unpaid
    assert {"commitment_lapsed", "commitment_expired"} & set(unpaid)
    assert "$600.00" in text(db, life.founder, "minimum_missed")


def test_ppl_4_a_wind_down_tells_each_holder_their_own_figures(db: Database) -> None:
    life = lives.active(db, amounts=[100_000, 150_000])
    lives.released(life, 1)
    second = life.stage.milestone(life.offering_id, 2)
    assert second.long_stop_at is not None
    life.stage.advance_to(second.long_stop_at)
    life.stage.advance(days=1)

    assert life.stage.offering(life.offering_id).state == "wound_down"
    one, two = life.investors
    assert "$550.00 of yours was unreleased" in text(db, one, "wind_down")
    assert "The 900 tokens you hold stay yours" in text(db, one, "wind_down")
    assert "$550.00 of yours in “Halden Tidal” left escrow" in text(db, one, "money_returned")
    assert "$825.00 of yours in “Halden Tidal” left escrow" in text(db, two, "money_returned")
    assert "$450.00 of yours was released to the company and $550.00 came back to you. You hold 900 tokens." in text(
        db, one, "wound_down"
    )
    assert told(db, one, "milestone_failed") == []
    assert "Failed: Milestone 2" in text(db, life.founder, "milestone_failed")


def test_ppl_4_a_verdict_of_not_met_says_what_is_left_to_do(db: Database) -> None:
    life = lives.active(db, amounts=[100_000, 150_000])
    lives.reviewed(life, 1, "not_met")
    life.stage.work()

    assert "$850.00 of yours is in escrow and stays there" in text(db, life.investors[0], "milestone_not_met")
    assert "tries left: 0" in text(db, life.founder, "milestone_not_met")
    assert len(told(db, life.founder, "milestone_open")) == 1


def test_ppl_4_a_review_that_nobody_ends_is_told_twice(db: Database) -> None:
    life = lives.active(db, amounts=[100_000, 150_000], auditors=2, contract={"approvals": 2})
    milestone = life.stage.milestone(life.offering_id, 1)
    submission = life.stage.submit_evidence(life.founder, milestone.public_id)
    life.stage.attest(life.auditors[0], submission)
    life.stage.advance(days=20)
    assert "Milestone 1" in text(db, life.operator, "review_overdue")
    assert told(db, life.founder, "review_overdue")

    life.stage.advance(days=20)
    assert life.stage.milestone(life.offering_id, 1).state == "open"
    assert "$850.00 of yours is in escrow and stays there" in text(db, life.investors[0], "review_abandoned")
    assert "no try was used up" in text(db, life.founder, "review_abandoned")
    assert len(told(db, life.founder, "milestone_open")) == 1


def test_ppl_4_a_replaced_auditor_and_the_next_one_are_told(db: Database) -> None:
    life = lives.active(db, amounts=[100_000, 150_000], auditors=2, contract={"approvals": 2})
    milestone = life.stage.milestone(life.offering_id, 1)
    submission = life.stage.submit_evidence(life.founder, milestone.public_id)
    life.stage.attest(life.auditors[0], submission)
    silent, joining = life.auditors[1], life.stage.person("auditor", "Auditor 3", email="three@third.example")
    life.stage.advance(days=9)
    life.stage.advance_to(life.stage.milestone(life.offering_id, 1).deadline_at - dt.timedelta(days=1))
    life.stage.advance_to(life.stage.milestone(life.offering_id, 1).deadline_at)

    assert len(told(db, silent, "review_reminder")) == 2  # on business days 5 and 8
    assert told(db, life.auditors[0], "review_reminder") == []
    assert "your seat for milestone 1" in text(db, silent, "auditor_replaced")
    assert "Accept or decline by" in text(db, joining, "auditor_appointed")


def test_ppl_4_a_suspension_and_its_end_are_told(db: Database) -> None:
    life = lives.active(db, amounts=[100_000, 150_000])
    lives.reviewed(life, 1)
    milestone = life.stage.milestone(life.offering_id, 1)
    db.unit_of_work(lambda session: interventions.suspend(
        session, actor=life.operator, milestone_id=milestone.public_id, reason="Two reports differ.", now=life.stage.now
    ))
    life.stage.work()
    words = text(db, life.investors[0], "milestone_suspended")
    assert "The published reason: Two reports differ." in words
    assert "no try is used up" in words

    life.stage.advance(days=30)
    assert "Nothing" not in text(db, life.founder, "milestone_reopened").split(".")[0]
    assert "$850.00 of yours is in escrow" in text(db, life.investors[0], "milestone_reopened")


def test_ppl_4_cancelling_and_payees_and_withdrawals_are_told(db: Database) -> None:
    life = lives.live(db, investors=2)
    first = life.stage.invest(life.investors[0], life.offering_id, 60_000)
    life.stage.cancel(life.investors[0], first)
    life.stage.invest(life.investors[1], life.offering_id, 70_000)
    db.unit_of_work(lambda session: issuers.change_payee(
        session, actor=life.founder, issuer_id=life.issuer_id, payee_ref="sbx_acct_fails", now=life.stage.now
    ))
    db.unit_of_work(lambda session: withdrawing.withdraw(
        session, actor=life.founder, offering_id=life.offering_id, reason="We found another way.", now=life.stage.now
    ))
    life.stage.work()

    assert "$600.00 goes back to where it came from" in text(db, life.investors[0], "commitment_cancelled")
    assert told(db, life.investors[0], "offering_withdrawing") == []
    withdrawn = text(db, life.investors[1], "offering_withdrawing")
    assert "We found another way." in withdrawn
    assert "All of your $700.00 goes back" in withdrawn
    assert "Nothing is paid out for 7 days" in text(db, life.founder, "payee_changed")


def test_ppl_4_review_and_changes_are_told_to_their_owners(db: Database) -> None:
    life = lives.drafted(db)
    life.stage.submit_offering(life.offering_id, life.founder)
    life.stage.work()
    assert "at most $10,000.00" in text(db, life.operator, "review_asked")
    db.unit_of_work(lambda session: offerings.ask_changes(
        session, actor=life.operator, offering_id=life.offering_id, reason="Say who audits.", now=life.stage.now
    ))
    life.stage.work()

    assert "Their words: Say who audits." in text(db, life.founder, "changes_asked")


def test_ppl_4_a_message_handled_twice_tells_once(db: Database) -> None:
    life = lives.active(db, amounts=[100_000, 150_000])
    with db.read() as session:
        before = session.scalar(sa.select(sa.func.count()).select_from(Notice))
        payloads = [json.loads(each) for each in session.scalars(
            sa.select(OutboxMessage.payload).where(OutboxMessage.topic == "notice")
        )]

    for payload in payloads:
        db.unit_of_work(lambda session, payload=payload: notices.tell(session, payload, now=life.stage.now))

    with db.read() as session:
        after = session.scalar(sa.select(sa.func.count()).select_from(Notice))
        doubled = session.execute(
            sa.select(Notice.user_id, Notice.kind, Notice.object_id)
            .where(Notice.kind.in_(["money_released", "offering_succeeded", "payment_cleared"]))
            .group_by(Notice.user_id, Notice.kind, Notice.object_id).having(sa.func.count() > 1)
        ).all()
    assert after == before
    assert doubled == []


def test_ppl_5_a_release_tells_every_holder_in_one_statement(db: Database) -> None:
    life = lives.active(db, amounts=[50_000] * 12)
    statements: list[str] = []

    def count(_conn, _cursor, statement, *_rest):  # type: ignore[no-untyped-def]
        statements.append(statement)

    with db.read() as session:
        payload = next(json.loads(each) for each in session.scalars(sa.select(OutboxMessage.payload))
                       if "money_released" in each)
    db.unit_of_work(lambda session: session.execute(sa.delete(Notice).where(Notice.kind == "money_released")))
    sa.event.listen(db.engine, "before_cursor_execute", count)
    try:
        db.unit_of_work(lambda session: notices.tell(session, payload, now=life.stage.now))
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", count)

    assert sum(statement.startswith("INSERT INTO notice") for statement in statements) == 2
    assert all("$75.00" in text(db, each, "money_released") for each in life.investors)


def test_ppl_6_notices_keep_ids_and_figures_only(db: Database) -> None:
    life = lives.active(db, amounts=[100_000, 150_000])
    with db.read() as session:
        kept = " ".join(session.scalars(sa.select(Notice.params)))

    assert "Halden" not in kept
    assert "Fay" not in kept
    assert life.offering_id  # the words name it all the same
    assert "Halden Tidal" in text(db, life.investors[0], "offering_succeeded")


@pytest.mark.parametrize("event", sorted(rules.SILENT))
def test_ppl_4_silent_events_tell_nobody(db: Database, event: str) -> None:
    assert db.unit_of_work(lambda session: _silent(session, event)) == 0


def _silent(session: Session, event: str) -> int:
    notices.tell(session, {"kind": event, "at": "2027-01-01T00:00:00+00:00"}, now=None)  # type: ignore[arg-type]
    return session.scalar(sa.select(sa.func.count()).select_from(Notice)) or 0


def test_states_of_closing_are_what_the_table_of_notices_knows() -> None:
    assert {f"offering_{each}" for each in closing.GIVING_BACK} <= set(rules.EVENTS)
