"""Releases in part, retained parts and parts that wait for a report, through the services (MIL-11)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from app.commitments.models import CarriedShare, EscrowStatement
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.db import Database
from app.errors import Refused
from app.ledger.models import LedgerAccount
from app.payments.models import Payout
from app.progress import interventions, queries, reporting
from app.progress import service as progress
from app.progress.models import Release, Submission
from app.register.models import RegisterEntry
from milestones.simulate import FAILED, PARTIAL, Outcome, simulate
from tests.factories import life
from tests.factories.life import Life
from tests.unchanged import refused

RETAINAGE = {"bp": 1000, "event": "No defect is open after the defects period.", "procedure": "Read the certificate.",
             "evidence": ["defects_certificate"], "after_days": 30, "days": 90}  # fmt: skip


def agreed(**changes: Any) -> dict[str, Any]:
    """A contract of version 2: half of the first milestone may be met in part, a tenth of it is retained."""
    document = life.contract_document(dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30))
    first = document["milestones"][0]
    first["criteria"][1]["must"] = False
    first |= {"retainage": RETAINAGE, "reporting_retainage_bp": 1000, **changes}
    end = dt.date.fromisoformat(document["long_stop"]) + dt.timedelta(days=200)
    return {**document, "schema": "milestake/contract/2", "long_stop": end.isoformat()}


def judge(story: Life, works: int, revenue: int = 100) -> None:
    """Submit the first milestone and let it be judged, then let the window pass."""
    milestone = story.stage.milestone(story.offering_id, 1)
    submission = story.stage.submit_evidence(story.founder, milestone.public_id)
    found = {"revenue": revenue, "works": works}
    words = {0: "not_met", 100: "met"}
    story.stage.sign(
        story.auditors[0], submission, {key: (words.get(share, "partly"), share) for key, share in found.items()}
    )
    let_window_end(story)


def let_window_end(story: Life) -> None:
    """Let the window of a verdict pass, where there is one; it runs from when its notices were delivered (MIL-10)."""
    for _ in range(3):
        story.stage.work()
        milestone = story.stage.milestone(story.offering_id, 1)
        if milestone.state != "challengeable" or milestone.deadline_at is None:
            return
        story.stage.advance_to(milestone.deadline_at)


def parts(story: Life) -> list[tuple[str, str, int]]:
    """Return what left escrow for the first milestone: kind, part, amount."""
    with story.stage.db.read() as session:
        offering = story.stage.offering(story.offering_id)
        first = story.stage.milestone(story.offering_id, 1)
        return [
            (each.record.kind, each.part, each.record.amount_minor)
            for each in queries.releases_of(session, offering.id) if each.record.milestone_id == first.id
        ]


def report(story: Life) -> None:
    """File the next report as soon as it can be."""
    with story.stage.db.read() as session:
        due = reporting.due_of(session, story.stage.offering(story.offering_id).id)
        assert due is not None
        opens = reporting.opens_at(due)
    if opens > story.stage.now:
        story.stage.advance_to(opens)
    story.stage.report(story.founder, story.offering_id)
    story.stage.work()


def hand_in(story: Life, submission: str) -> None:
    """Submit a draft that has its files."""
    story.stage.db.unit_of_work(
        lambda session: progress.submit(
            session, actor=story.founder, submission_id=submission, statement="Shown.", key=story.stage.key(),
            now=story.stage.now,
        )
    )


def facts(milestone: Milestone) -> tuple[str, int, int, int, int]:
    return (milestone.state, milestone.share_pct, milestone.decided_minor, milestone.reporting_minor, milestone.parts)


def test_mil_11_parts_are_released_once_each_and_sum_to_the_tranche(db: Database) -> None:
    """383,300 × 30 % is 114,990; 70 %, then 90 %, then all, a tenth retained and a tenth of each release reporting."""
    story = life.active(db, document=agreed(resubmissions=1))
    first = story.stage.milestone(story.offering_id, 1)
    assert first.tranche_minor == 114_990
    judge(story, works=40)
    # floor(114,990 × 70 %) = 80,493, less a tenth 8,049, is 72,444; a tenth of that, 7,244, waits for the report.
    first = story.stage.milestone(story.offering_id, 1)
    assert facts(first) == ("partly_released", 70, 65_200, 7_244, 1)
    assert first.deadline_at == first.long_stop_at
    assert story.stage.milestone(story.offering_id, 2).state == "locked"
    judge(story, works=90)
    assert facts(story.stage.milestone(story.offering_id, 1)) == ("partly_released", 90, 83_829, 9_313, 2)
    # A share that does not rise is not met and uses a try up, whatever auditors found (MIL-11).
    judge(story, works=90)
    after = story.stage.milestone(story.offering_id, 1)
    assert (facts(after), after.tries_left) == (("partly_released", 90, 83_829, 9_313, 2), 0)
    judge(story, works=100)
    after = story.stage.milestone(story.offering_id, 1)
    assert facts(after) == ("retained", 100, 93_144, 10_347, 2)
    assert story.stage.milestone(story.offering_id, 2).state == "open"
    assert after.retained_until is not None and after.deadline_at == after.retained_until
    # The defects period: 30 days after the release that retains it nothing can be asked for.
    with pytest.raises(Refused, match="can be asked for from"):
        story.stage.submit_evidence(story.founder, after.public_id)
    draft = story.stage.latest_submission(story.offering_id, 1)
    with refused(db, "retention_running"):
        hand_in(story, draft)
    report(story)
    assert facts(story.stage.milestone(story.offering_id, 1)) == ("retained", 100, 103_491, 0, 2)
    hand_in(story, draft)
    story.stage.attest(story.auditors[0], draft)
    assert story.stage.milestone(story.offering_id, 1).state == "challengeable"
    let_window_end(story)
    after = story.stage.milestone(story.offering_id, 1)
    assert (facts(after), after.returned_minor) == (("released", 100, 114_990, 0, 2), 0)
    assert parts(story) == [
        ("released", "1.1", 65_200), ("released", "1.2", 18_629), ("released", "1.3", 9_315),
        ("released", "1.4", 10_347), ("released", "1.5", 11_499),
    ]  # fmt: skip
    with db.read() as session:
        verdicts = session.scalars(sa.select(Submission.verdict).order_by(Submission.number)).all()
        fees = session.scalars(sa.select(Release.fee_minor).where(Release.milestone_id == after.id)).all()
        payouts = session.scalar(sa.select(sa.func.count()).select_from(Payout))
        issued = session.scalar(sa.select(sa.func.sum(RegisterEntry.quantity)))
    assert verdicts == ["partly", "partly", "not_met", "met", "met"]
    assert fees == [3_260, 931, 465, 517, 574]
    assert (payouts, int(issued or 0)) == (6, (57_495 + 114_990) // 50 - 1)


def test_mil_11_a_retained_part_goes_back_when_nothing_is_shown(db: Database) -> None:
    """Silence never moves money out (TIM-5): the date sends the part back, and its tokens lapse."""
    story = life.active(db, document=agreed(reporting_retainage_bp=0))
    judge(story, works=100)
    retained = story.stage.milestone(story.offering_id, 1)
    assert (retained.state, retained.decided_minor) == ("retained", 103_491)
    assert retained.retained_until is not None
    with db.read() as session:
        stopped = queries.if_stopped(session, story.stage.offering(story.offering_id))
        reserved = LedgerAccount.address.startswith("reserved:")
        before = session.scalar(sa.select(LedgerAccount.balance).where(reserved))
    assert stopped is not None and stopped.back_minor == 383_300 - 57_495 - 103_491
    story.stage.advance_to(retained.retained_until)
    over = story.stage.milestone(story.offering_id, 1)
    assert (over.state, over.returned_minor, over.share_pct) == ("released", 11_499, 100)
    assert parts(story) == [("released", "", 103_491), ("returned", "", 11_499)]
    with db.read() as session:
        after = session.scalar(sa.select(LedgerAccount.balance).where(reserved))
    assert int(before or 0) - int(after or 0) in (229, 230, 231)


def test_wnd_2_a_wind_down_returns_rests_and_retained_parts_to_the_cent(db: Database) -> None:
    story = life.active(db, document=agreed())
    judge(story, works=40)
    with db.read() as session:
        offering = story.stage.offering(story.offering_id)
        stopped = queries.if_stopped(session, offering)
        each = queries.if_stopped_each(session, offering)
    assert stopped is not None
    assert (stopped.back_minor, stopped.spent_minor) == (383_300 - 57_495 - 65_200, 57_495 + 65_200)
    assert sum(one.back_minor for one in each.values()) == stopped.back_minor
    db.unit_of_work(
        lambda s: interventions.wind_down(
            s, actor=story.founder, offering_id=story.offering_id, trigger="founder_resigned", reason="We give up.",
            now=story.stage.now,
        )
    )
    story.stage.work()
    assert story.stage.offering(story.offering_id).state == "wound_down"
    first = story.stage.milestone(story.offering_id, 1)
    assert (first.state, first.decided_minor, first.returned_minor) == ("lapsed", 65_200, 49_790)


def test_mil_11_the_rest_keeps_its_long_stop_and_fails_by_its_terms(db: Database) -> None:
    """Half is no way round `wind_down`: what is not complete in time fails, and all that is left returns."""
    story = life.active(db, document=agreed())
    judge(story, works=0)
    first = story.stage.milestone(story.offering_id, 1)
    assert facts(first) == ("partly_released", 50, 46_572, 5_174, 1)
    assert first.long_stop_at is not None
    story.stage.advance_to(first.long_stop_at)
    first = story.stage.milestone(story.offering_id, 1)
    # The report that came meanwhile released what waited for it.
    assert (first.state, first.decided_minor, first.returned_minor) == ("failed", 51_746, 63_244)
    assert story.stage.offering(story.offering_id).state == "wound_down"


def test_mil_5_the_simulator_gives_every_investor_what_the_application_posts(db: Database) -> None:
    """One story in both: 70 %, then the rest, what is retained never shown, the second milestone failed."""
    document = agreed(reporting_retainage_bp=0, retainage={**RETAINAGE, "days": 60})
    story = life.active(db, document=document)
    judge(story, works=40)
    judge(story, works=100)
    for ordinal in (1, 2):
        deadline = story.stage.milestone(story.offering_id, ordinal).deadline_at
        assert deadline is not None
        story.stage.advance_to(deadline)
    assert story.stage.offering(story.offering_id).state == "wound_down"
    with db.read() as session:
        rows = session.execute(
            sa.select(EscrowStatement).where(EscrowStatement.kind.in_(["paid", "released", "returned"]))
        ).scalars().all()
        offering = story.stage.offering(story.offering_id)
        terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
    people = sorted({row.ordinal for row in rows})

    def total(ordinal: int, kind: str) -> int:
        return abs(sum(row.amount_minor for row in rows if (row.ordinal, row.kind) == (ordinal, kind)))

    holders = [total(each, "paid") for each in people]
    played = simulate(
        terms, proceeds_minor=sum(holders), holders=holders, price_micro=offering.price_micro, asset=terms.asset,
        fee_bp=offering.fee_bp, closes_on=offering.deadline_at.date(),
        scenario={1: Outcome(PARTIAL, share_pct=70, rest_days=0, is_shown=False), 2: Outcome(FAILED)},
    )
    assert [(step.kind, step.released_minor + step.returned_minor) for step in played.steps] == [
        ("released", 57_495), ("released", 72_444), ("released", 31_047), ("returned", 11_499), ("returned", 210_815),
    ]  # fmt: skip
    tokens = [sum(row.tokens_issued for row in rows if row.ordinal == each) for each in people]
    assert [(each.released_minor, each.returned_minor, each.tokens) for each in played.totals.per_holder] == [
        (total(each, "released"), total(each, "returned"), issued) for each, issued in zip(people, tokens, strict=True)
    ]


def test_com_10_every_part_carries_its_own_unseasoned_shares(db: Database) -> None:
    """Money of a debit is carried out of each part, and follows in one release when it has seasoned."""
    story = life.live(db, investors=2, fields={"minimum_minor": 150_000}, document=agreed(reporting_retainage_bp=0))
    for investor, amount, method in zip(story.investors, (150_000, 100_000), ("instant", "ach"), strict=True):
        story.commitments.append(story.stage.invest(investor, story.offering_id, amount, method))
    story.stage.close(story.offering_id)
    judge(story, works=40)
    judge(story, works=100)
    # 30 % of 2,500.00: 70 % less a tenth is 472.50, the rest 202.50; two fifths of each are the debit's.
    first = story.stage.milestone(story.offering_id, 1)
    assert (facts(first), first.released_minor) == (("retained", 100, 67_500, 0, 1), 40_500)
    with db.read() as session:
        waits = session.execute(
            sa.select(CarriedShare.part, CarriedShare.amount_minor, CarriedShare.releases_at)
            .where(CarriedShare.milestone_id == first.id)
            .order_by(CarriedShare.part)
        ).all()
    assert [(row.part, row.amount_minor) for row in waits] == [(1, 18_900), (2, 8_100)]
    story.stage.advance_to(waits[0].releases_at)
    assert parts(story)[:3] == [
        ("released", "1.1", 28_350), ("released", "1.2", 12_150), ("released", "1.3", 27_000),
    ]  # fmt: skip
