"""Books with everything in them: offerings in every state, payments and refunds of every kind, on one database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Commitment
from app.contracts.models import Milestone
from app.db import Database
from app.demo.stage import Stage
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.payments import queries as payment_queries
from app.payments import tasks as payment_tasks
from app.payments.sandbox import SandboxRail
from app.progress import amending, ending, extending, interventions, orders, reporting, withdrawals
from app.progress.models import Attestation, AttestationWithdrawal, Submission
from tests.factories import altered, amendments, disputes, halts, panels, payers
from tests.factories import life as lives
from tests.factories.life import Life
from tests.remembering import remembered

DAY = dt.timedelta(days=1)


@remembered(lives.stage_at)
def full_books(db: Database) -> Stage:
    """Live eight offerings at once, so that every table of the money world has rows in several states."""
    stage = lives.stage_at(db)
    stage.fund_float(stage.person("operator", "Odd Operator"), 500_00, "USD/2")
    lives.drafted(db, stage=stage)
    submitted = lives.drafted(db, stage=stage)
    stage.submit_offering(submitted.offering_id, submitted.founder)
    panels.draw(submitted)
    running = _running(db, stage)
    failing = lives.live(db, stage=stage, investors=1)
    failing.commitments.append(stage.invest(failing.investors[0], failing.offering_id, 60_000))
    ending = _paid(lives.live(db, stage=stage, payee_ref="sbx_acct_fails", contract={"resubmissions": 0}), 150_000)
    shrinking = _paid(lives.live(db, stage=stage, contract={"tranches": (5000, 5000), "closing_bp": 0}), 140_000)
    divided = _paid(lives.live(db, stage=stage, investors=2, fields={
        "maximum_minor": 500_000, "allotment": "pro_rata", "accept_up_to_minor": 700_000}), 300_000)
    queued = _queued(db, stage)
    stage.commit(queued.investors[2], queued.offering_id, 60_000)
    withdrawn = lives.live(db, stage=stage, investors=2)
    withdrawn.commitments.append(stage.invest(withdrawn.investors[0], withdrawn.offering_id, 70_000))
    stage.commit(withdrawn.investors[1], withdrawn.offering_id, 50_000)
    stage.withdraw(withdrawn.founder, withdrawn.offering_id, reason="The founders go separate ways.")
    stage.work()
    _altered(db, stage)
    deadline = stage.offering(running.offering_id).deadline_at
    halts.announce(ending, deadline - DAY)
    stage.advance_to(deadline - 2 * DAY)
    late = stage.person("investor", "Late Investor")
    shrinking.commitments.append(stage.invest(late, shrinking.offering_id, 100_000, "returned_5d"))
    waiting = stage.person("investor", "Waiting Investor")
    stage.commit(waiting, running.offering_id, 50_000)
    for life in (running, failing, ending, shrinking, divided, queued):
        stage.close(life.offering_id)
    # A close is decided only once the rail was asked after it, and it is asked once a second.
    stage.advance(minutes=1)
    lives.reviewed(ending, 1, "not_met")
    _challenge(divided)
    _review(running, shrinking, lambda: _amend(queued, divided))
    _judge(divided)
    stage.advance_to(amendments.poll(divided).ends_at)
    amendments.leave(divided, 1)
    _take_back(running)
    # One halt whose end comes, so that investors vote, and one that is lifted and moved dates.
    halts.place(running, days=1)
    lifted = halts.place(shrinking, days=9)
    _raising(db, stage)
    asked = altered.held(db, 300_000, stage=stage)
    altered.changed(asked, minimum_minor=250_000)
    altered.propose(asked, story="Told anew.")
    _late(running, shrinking)
    halts.answer(running, 2, "yes")
    halts.lift(shrinking, lifted)
    _order(queued)
    _queued(db, stage)
    return stage


def _altered(db: Database, stage: Stage) -> None:
    """Change an offering's price: one reconfirms, one leaves, and in time silence decides and ends the rest."""
    life = altered.held(db, 200_000, 100_000, 120_000, stage=stage)
    altered.changed(life, price_micro=600_000)
    altered.reconfirm(life, 0)
    altered.leave(life, 1)
    altered.flag(life, altered.post(life), 2)


def _queued(db: Database, stage: Stage) -> Life:
    """Return a full offering with three on its waiting list: the first was offered a freed place, the last left.

    Its investors decide what a failed milestone means, and one failure is enough.
    """
    life = lives.live(
        db, stage=stage, investors=5, fields={"maximum_minor": 500_000},
        contract={"on_failure": "investors_decide", "resubmissions": 0},
    )
    for investor, amount in zip(life.investors, (400_000, 100_000), strict=False):
        life.commitments.append(stage.invest(investor, life.offering_id, amount))
    waiting = [stage.wait(each, life.offering_id, 100_000) for each in life.investors[2:]]
    stage.leave_list(life.investors[4], waiting[2])
    stage.cancel(life.investors[1], life.commitments[1])
    stage.work()
    return life


def _running(db: Database, stage: Stage) -> Life:
    """Return a live offering paid in four ways, one commitment cancelled, one declined, one without payment."""
    life = lives.live(db, stage=stage, investors=6, auditors=3, contract={"approvals": 2})
    for number, (amount, method) in enumerate(
        [(100_001, "fee_card"), (150_000, "instant"), (133_333, "bank_2d"), (90_050, "times_out")]
    ):
        life.commitments.append(stage.invest(life.investors[number], life.offering_id, amount, method))
    life.commitments.append(stage.invest(life.investors[4], life.offering_id, 75_000, "fee_card"))
    stage.cancel(life.investors[4], life.commitments[4])
    life.commitments.append(stage.invest(life.investors[5], life.offering_id, 50_000, "declined"))
    return life


def _paid(life: Life, amount: int) -> Life:
    for investor in life.investors:
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount))
        amount += 1_111
    return life


def _challenge(life: Life) -> None:
    """Let one holder challenge a verdict, and another join and leave."""
    lives.reviewed(life, 1)
    life.stage.work()
    opened = disputes.challenge(life, 0)
    disputes.join(life, 1, opened.public_id)
    disputes.leave(life, 1, opened.public_id)
    for number in range(3):
        life.stage.person("auditor", f"Juror {number}", email=f"juror.{life.stage.key()}@panel{number}.example")


def _correct(life: Life) -> None:
    """Let an auditor correct in public what was released on."""
    def act(session: Session) -> AttestationWithdrawal:
        signed = session.scalars(
            sa.select(Attestation).join(Submission, Submission.id == Attestation.submission_id)
            .join(Milestone, Milestone.id == Submission.milestone_id)
            .where(Milestone.public_id == life.stage.milestone(life.offering_id, 1).public_id,
                   Attestation.party_id == life.stage.party(life.auditors[0], "auditor"))
            .order_by(Attestation.id.desc())
        ).first()
        assert signed is not None
        return withdrawals.withdraw(
            session, actor=life.auditors[0], attestation_id=signed.public_id, reason="The statement was a copy.",
            key=life.stage.key(), now=life.stage.now,
        )

    assert life.stage.db.unit_of_work(act).kind == withdrawals.CORRECTED


def _judge(life: Life) -> None:
    """Let one member of the panel sign, once the window is over."""
    dispute = disputes.newest(life)
    disputes.sign(life, disputes.members(life, dispute)[0], dispute.public_id, "not_met")


def _amend(ordinary: Life, adverse: Life) -> None:
    """Let one founder move a date, which investors want, and another weaken a measure, which one of them does not."""
    title = amendments.setting("m3", title="The third step")
    amendments.propose(ordinary, title)
    amendments.vote(ordinary, "y")
    proposal = amendments.propose(adverse, amendments.measure("m2", "1000"))
    amendments.vote(adverse, "y")
    stage = adverse.stage
    stage.db.unit_of_work(
        lambda session: amending.comment(
            session, actor=adverse.auditors[0], amendment_id=proposal, text="I could read that measure too.",
            key=stage.key(), now=stage.now,
        )
    )
    # What its investors decide once the founder did not appeal.
    lives.reviewed(ordinary, 1, "not_met")


def _take_back(life: Life) -> None:
    """Let the rail take back two payments of which a part was released: one is lost for good, one undecided."""
    stage = life.stage
    rail = stage.rails["sandbox"]
    assert isinstance(rail, SandboxRail)
    stage.fund_float(life.operator, 5_000_00, "USD/2")
    taken = []
    for commitment_id in (life.commitments[1], life.commitments[0]):
        with stage.db.read() as session:
            commitment = session.scalars(sa.select(Commitment).where(Commitment.public_id == commitment_id)).one()
            payment = payment_queries.latest_collection(session, commitment.id)
        assert payment is not None
        taken.append(rail.open_dispute(payment.provider_ref or ""))
    stage.advance(minutes=1)
    assert taken[0] and rail.decide_dispute(taken[0], "lost")
    stage.advance(minutes=1)


def _order(life: Life) -> None:
    """Let an operator propose to wind an offering down with a court's order, and nobody confirm it yet."""
    stage = life.stage
    stage.db.unit_of_work(
        lambda session: orders.propose(
            session, actor=life.operator, offering_id=life.offering_id, reason="The company was dissolved.",
            document=halts.ORDER, key=stage.key(), now=stage.now,
        )
    )


def _review(running: Life, shrinking: Life, meanwhile: Callable[[], object]) -> None:
    """Release the running offering's first milestone at the second try; suspend the other's.

    ``meanwhile`` happens a fortnight before the end.
    """
    stage = running.stage
    lives.reviewed(running, 1, "not_met")
    lives.released(running, 1)
    meanwhile()
    _correct(running)
    stage.submit_evidence(running.founder, stage.milestone(running.offering_id, 2).public_id)
    stage.advance(days=6)
    lives.reviewed(shrinking, 1)
    stage.db.unit_of_work(
        lambda session: interventions.suspend(
            session, actor=shrinking.operator, milestone_id=stage.milestone(shrinking.offering_id, 1).public_id,
            reason="A holder doubts the bank statement.", now=stage.now,
        )
    )
    # Time enough for what waits for a payee or a failed refund.
    stage.advance(days=8)


def _late(running: Life, shrinking: Life) -> None:
    """Extend a milestone, file a report, and miss one as the jobs would in half a year."""
    stage = running.stage
    for story, extended in ((running, 3), (shrinking, 2)):
        milestone = stage.milestone(story.offering_id, extended).public_id
        stage.db.unit_of_work(
            lambda session, story=story, milestone=milestone: extending.extend(
                session, actor=story.founder, milestone_id=milestone, reason="A supplier is late.", key=stage.key(),
                now=stage.now,
            )
        )

    def miss(session: Session, offering: Offering) -> None:
        report = reporting.due_of(session, offering.id)
        assert report is not None
        reporting.miss(session, offering, report, now=stage.now)

    def silent(session: Session) -> None:
        offering = offerings.locked(session, shrinking.offering_id)
        miss(session, offering)
        reporting.start_countdown(session, offering, started_at=stage.now, now=stage.now)
        miss(session, offerings.locked(session, running.offering_id))

    stage.db.unit_of_work(silent)
    stage.db.unit_of_work(
        lambda session: ending.call(
            session, actor=shrinking.investors[0], offering_id=shrinking.offering_id, reason="Nobody reports.",
            key=stage.key(), now=stage.now,
        )
    )
    stage.report(running.founder, running.offering_id)


def _raising(db: Database, stage: Stage) -> None:
    """Leave one offering live with commitments under way, one unclaimed, and money that is nobody's."""
    life = lives.live(db, stage=stage, investors=6, fields={"minimum_ticket_minor": 50_000})
    people, offering = life.investors, life.offering_id
    stage.commit(people[0], offering, 50_000)
    stage.invest(people[1], offering, 60_000, "fails_late")
    closing_account = stage.invest(people[2], offering, 55_000, "refund_fails")
    stage.cancel(people[2], closing_account)
    stage.advance(days=1)
    stage.advance(days=1)
    stage.advance(days=2)
    stage.invest(people[3], offering, 100_000)
    gone = stage.invest(people[4], offering, 70_000, "bank_2d")
    stage.cancel(people[4], gone)
    stage.invest(people[5], offering, 80_000, "fails_late")
    lives.let_time_pass(stage, stage.now + 2 * DAY)
    _only(stage, "poll_rails", "refresh_operations")
    payers.every_kind(life)
    leaving = stage.person("investor", "Leaving Investor")
    owed = stage.invest(leaving, offering, 65_000)
    stage.cancel(leaving, owed)


def _only(stage: Stage, *names: str) -> None:
    """Let some jobs of payments act, and nobody else."""
    for job in (job for name in names for job in payment_tasks.JOBS if job.name == name):
        with stage.db.read() as session:
            due = job.due(session, stage.now, 100)
        for each in due:
            if job.outside:
                job.act(stage.context, each, stage.now)
            else:
                stage.db.unit_of_work(lambda session, job=job, each=each: job.act(session, each, stage.now))
