"""Rules between draft and close, through the services, on both databases."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
import sqlalchemy as sa

from app import clock
from app.accounts.actor import Actor
from app.commitments import service as commitments
from app.commitments.models import Commitment, Refund
from app.db import Database
from app.demo.stage import WORDING_HASH
from app.ledger import chart, queries
from app.offerings import fees, versions, withdrawing
from app.offerings import service as offerings
from app.offerings.models import TokenClass
from app.offerings.service import OfferingNotReady
from app.payments import treasury
from tests.factories import altered, life
from tests.unchanged import refused, snapshot


def balance(db: Database, account: chart.Account) -> int:
    with db.read() as session:
        return queries.balance(session, account)


def token_asset(db: Database) -> tuple[str, str]:
    with db.read() as session:
        row = session.execute(sa.select(TokenClass)).scalar_one()
        return row.public_id, row.asset


def test_off_1_publication_reserves_for_the_whole_maximum(db: Database) -> None:
    story = life.live(db)
    class_id, asset = token_asset(db)
    assert balance(db, chart.reserved(story.offering_id, asset)) == 20_000
    assert balance(db, chart.unissued(class_id, asset)) == 980_000


def test_off_1_a_class_without_room_for_the_maximum_is_refused_at_submission(db: Database) -> None:
    story = life.drafted(db, authorised=19_999)
    before = snapshot(db)
    with pytest.raises(OfferingNotReady) as caught:
        story.stage.submit_offering(story.offering_id, story.founder)
    assert [each.code for each in caught.value.problems] == ["above_authorised"]
    assert snapshot(db) == before


def test_off_1_two_open_offerings_cannot_reserve_the_same_tokens(db: Database) -> None:
    story = life.drafted(db, authorised=30_000)
    stage = story.stage
    fields = life.offering_fields(stage.now, name="Second raise")
    second = stage.draft(
        story.founder, story.token_class_id, fields, life.contract_document(fields.deadline_at.date())
    )
    stage.launch(story.offering_id, story.founder, story.operator, story.auditors)
    stage.submit_offering(second, story.founder)
    stage.appoint(second, story.operator, story.auditors)
    db.unit_of_work(lambda s: offerings.approve(s, actor=story.operator, offering_id=second, now=stage.now))
    with refused(db, "tokens_short"):
        db.unit_of_work(lambda s: offerings.launch(s, actor=story.founder, offering_id=second, now=stage.now))


def test_off_2_terms_are_frozen_once_live(db: Database) -> None:
    story = life.live(db)
    with refused(db, "not_a_draft"):
        db.unit_of_work(
            lambda s: offerings.update_draft(
                s, actor=story.founder, offering_id=story.offering_id, now=story.stage.now,
                fields=life.offering_fields(story.stage.now),
            )
        )


def test_off_4_nobody_approves_their_own_submission(db: Database) -> None:
    story = life.drafted(db)
    story.stage.submit_offering(story.offering_id, story.founder)
    both = dataclasses.replace(
        story.founder, memberships=story.founder.memberships | story.operator.memberships
    )
    with refused(db, "four_eyes"):
        db.unit_of_work(
            lambda s: offerings.approve(s, actor=both, offering_id=story.offering_id, now=story.stage.now)
        )


def test_off_4_a_founder_cannot_approve(db: Database) -> None:
    story = life.drafted(db)
    story.stage.submit_offering(story.offering_id, story.founder)
    with refused(db, "forbidden"):
        db.unit_of_work(
            lambda s: offerings.approve(s, actor=story.founder, offering_id=story.offering_id, now=story.stage.now)
        )


def test_off_5_larger_than_the_room_is_refused_with_the_room_shown(db: Database) -> None:
    story = life.live(db, fields={"maximum_minor": 500_000})
    story.stage.commit(story.investors[0], story.offering_id, 400_000)
    with refused(db, "no_room"):
        story.stage.commit(story.investors[1], story.offering_id, 100_050)
    story.stage.commit(story.investors[1], story.offering_id, 100_000)
    with refused(db, "offering_full"):
        story.stage.commit(story.investors[2], story.offering_id, 50_000)


def test_off_5_exactly_the_minimum_succeeds_and_one_token_less_fails(db: Database) -> None:
    exact = life.live(db, investors=1)
    exact.stage.invest(exact.investors[0], exact.offering_id, 200_000)
    short = life.live(db, investors=1, stage=exact.stage)
    short.stage.invest(short.investors[0], short.offering_id, 199_999)
    exact.stage.close(exact.offering_id)
    short.stage.close(short.offering_id)
    # The rail is asked every few seconds, and a close is decided only on what it said since.
    short.stage.advance(minutes=1)
    assert exact.stage.offering(exact.offering_id).state == "active"
    assert exact.stage.offering(exact.offering_id).proceeds_minor == 200_000
    assert short.stage.offering(short.offering_id).state == "failed"


def test_off_9_everybody_is_refunded_in_full_when_the_minimum_is_missed(db: Database) -> None:
    story = life.live(db)
    story.stage.invest(story.investors[0], story.offering_id, 60_000)
    story.stage.invest(story.investors[1], story.offering_id, 70_050, method="fee_card")
    story.stage.close(story.offering_id)
    class_id, asset = token_asset(db)
    with db.read() as session:
        waiting = session.execute(sa.select(Refund.status).order_by(Refund.commitment_id)).scalars().all()
    assert list(waiting) == ["done", "open"]
    # The provider kept a fee: the full refund leaves as soon as our own float covers it.
    db.unit_of_work(
        lambda s: treasury.fund_float(
            s, actor=story.operator, amount_minor=100_000, asset="USD/2", key="float", now=story.stage.now
        )
    )
    story.stage.work()
    with db.read() as session:
        refunds = session.execute(
            sa.select(Refund.amount_minor, Refund.status, Refund.reason).order_by(Refund.commitment_id)
        ).all()
    assert [tuple(each) for each in refunds] == [
        (60_000, "done", "minimum_missed"), (70_050, "done", "minimum_missed")
    ]
    assert balance(db, chart.reserved(story.offering_id, asset)) == 0
    assert balance(db, chart.unissued(class_id, asset)) == 1_000_000
    assert balance(db, chart.escrow(story.offering_id, "USD/2")) == 0


def test_off_9_withdrawing_refunds_everybody(db: Database) -> None:
    story = life.live(db)
    story.stage.invest(story.investors[0], story.offering_id, 300_000)
    story.stage.commit(story.investors[1], story.offering_id, 50_000)
    db.unit_of_work(
        lambda s: withdrawing.withdraw(
            s, actor=story.founder, offering_id=story.offering_id, reason="A key person left.", now=story.stage.now
        )
    )
    story.stage.work()
    offering = story.stage.offering(story.offering_id)
    assert (offering.state, offering.end_reason) == ("withdrawn", "A key person left.")
    with db.read() as session:
        assert session.execute(sa.select(sa.func.sum(Refund.amount_minor))).scalar_one() == 300_000
        assert session.execute(
            sa.select(Commitment.status).order_by(Commitment.ordinal)
        ).scalars().all() == ["held", "lapsed"]


def test_off_10_a_price_too_coarse_for_the_smallest_tranche_is_refused(db: Database) -> None:
    story = life.drafted(db, fields={"price_micro": 1_000_000, "minimum_ticket_minor": 10_000})
    with pytest.raises(OfferingNotReady) as caught:
        story.stage.submit_offering(story.offering_id, story.founder)
    assert "grain" in {each.code for each in caught.value.problems}


def test_com_1_same_key_same_fields_is_the_first_result_other_fields_are_refused(db: Database) -> None:
    story = life.live(db)
    first = story.stage.commit(story.investors[0], story.offering_id, 50_000, key="k")
    assert story.stage.commit(story.investors[0], story.offering_id, 50_000, key="k") == first
    with refused(db, "key_reused"):
        story.stage.commit(story.investors[0], story.offering_id, 60_000, key="k")
    assert story.stage.commit(story.investors[1], story.offering_id, 50_000, key="k") != first


def test_com_2_a_stale_version_is_refused(db: Database) -> None:
    story = life.live(db)
    investor = story.investors[0]
    with refused(db, "terms_changed"):
        db.unit_of_work(
            lambda s: commitments.accept_commitment(
                s, actor=investor, offering_id=story.offering_id, party_id=story.stage.party(investor, "investor"),
                amount_minor=50_000, terms_hash="0" * 64, wording_hash=WORDING_HASH, key="k", now=story.stage.now,
            )
        )


@pytest.mark.parametrize(
    ("price_micro", "asked", "tokens", "charged"),
    [(500_000, 50_049, 1_000, 50_000), (333_333, 50_000, 1_500, 50_000), (700_000, 99_999, 1_428, 99_960),
     (70_000, 50_001, 7_143, 50_001)],
)
def test_com_3_amounts_round_down_to_whole_tokens(
    db: Database, price_micro: int, asked: int, tokens: int, charged: int
) -> None:
    story = life.live(db, fields={"price_micro": price_micro, "minimum_ticket_minor": 50_000})
    commitment = story.stage.commit(story.investors[0], story.offering_id, asked)
    with db.read() as session:
        row = commitments.by_public_id(session, commitment)
        assert (row.tokens, row.amount_minor) == (tokens, charged)


def test_com_4_unpaid_commitments_expire_and_free_their_place(db: Database) -> None:
    story = life.live(db)
    commitment = story.stage.commit(story.investors[0], story.offering_id, 50_000)
    story.stage.advance(hours=23)
    assert story.stage.offering(story.offering_id).committed_minor == 50_000
    story.stage.advance(hours=1)
    with db.read() as session:
        assert commitments.by_public_id(session, commitment).status == "expired"
    assert story.stage.offering(story.offering_id).committed_minor == 0


def test_com_4_money_that_arrives_after_the_place_was_freed_goes_back(db: Database) -> None:
    story = life.live(db)
    commitment = story.stage.commit(story.investors[0], story.offering_id, 50_000)
    story.stage.pay(story.investors[0], commitment, "bank_2d")
    story.stage.invest(story.investors[1], story.offering_id, 300_000)
    deadline = story.stage.offering(story.offering_id).deadline_at
    assert deadline > story.stage.now
    # Paid so late that it clears after the close: counted as failed, then sent back by itself.
    story.stage.advance(days=3)
    with db.read() as session:
        assert commitments.by_public_id(session, commitment).status == "held"
    late = story.stage.commit(story.investors[2], story.offering_id, 50_000)
    with db.read() as session:
        offering = offerings.offering_by_id(session, story.offering_id)
    assert offering.committed_minor == 400_000
    story.stage.cancel(story.investors[2], late)
    assert story.stage.offering(story.offering_id).committed_minor == 350_000


def test_com_6_cancelling_is_free_until_48_hours_before_the_deadline(db: Database) -> None:
    # The minimum is so large that what is cancelled here moves no deadline (OFF-12).
    story = life.live(db, fields={"minimum_minor": 300_000})
    early = story.stage.invest(story.investors[0], story.offering_id, 50_000)
    late = story.stage.invest(story.investors[1], story.offering_id, 60_000)
    offering = story.stage.offering(story.offering_id)
    last = offering.deadline_at - dt.timedelta(hours=48)
    assert offering.cancel_until == last

    def cancel(who: Actor, commitment: str, now: dt.datetime) -> None:
        db.unit_of_work(lambda s: commitments.cancel(s, actor=who, commitment_id=commitment, now=now))

    cancel(story.investors[0], early, last - dt.timedelta(seconds=1))
    with refused(db, "too_late_to_cancel"):
        cancel(story.investors[1], late, last)
    story.stage.work()
    with db.read() as session:
        refund = session.execute(sa.select(Refund)).scalar_one()
        assert (refund.amount_minor, refund.status, refund.reason) == (50_000, "done", "cancelled")
    assert story.stage.offering(story.offering_id).committed_minor == 60_000


def test_com_6_cancelling_twice_refunds_once(db: Database) -> None:
    story = life.live(db)
    commitment = story.stage.invest(story.investors[0], story.offering_id, 50_000)
    story.stage.cancel(story.investors[0], commitment)
    story.stage.cancel(story.investors[0], commitment)
    story.stage.work()
    with db.read() as session:
        assert session.execute(sa.select(sa.func.count()).select_from(Refund)).scalar_one() == 1


def test_nobody_cancels_another_persons_commitment(db: Database) -> None:
    story = life.live(db)
    commitment = story.stage.invest(story.investors[0], story.offering_id, 50_000)
    with refused(db, "commitment_not_found"):
        story.stage.cancel(story.investors[1], commitment)


def test_a_commitment_at_or_after_the_deadline_is_refused(db: Database) -> None:
    story = life.live(db)
    deadline = story.stage.offering(story.offering_id).deadline_at
    investor = story.investors[0]

    def commit_at(now: dt.datetime) -> None:
        with db.read() as session:
            offering = offerings.offering_by_id(session, story.offering_id)
            terms = versions.hash_of(session, offering)
        db.unit_of_work(
            lambda s: commitments.accept_commitment(
                s, actor=investor, offering_id=story.offering_id, party_id=story.stage.party(investor, "investor"),
                amount_minor=50_000, terms_hash=terms, wording_hash=WORDING_HASH, key=str(now), now=now,
            )
        )

    with refused(db, "not_open"):
        commit_at(deadline)
    commit_at(deadline - dt.timedelta(seconds=1))


def test_com_13_one_unpaid_commitment_per_investor(db: Database) -> None:
    story = life.live(db)
    story.stage.commit(story.investors[0], story.offering_id, 50_000)
    with refused(db, "unpaid_commitment"):
        story.stage.commit(story.investors[0], story.offering_id, 50_000)


def test_ppl_2_the_issuers_team_and_the_auditors_cannot_invest(db: Database) -> None:
    story = life.live(db)
    stage = story.stage
    auditor = story.auditors[0]
    party = stage.party(auditor, "auditor")
    both = dataclasses.replace(auditor, memberships=auditor.memberships | {(party, "investor")})
    with refused(db, "conflict_of_interest"):
        stage.commit(both, story.offering_id, 50_000)


def test_the_demo_clock_only_goes_forward_and_only_in_a_sandbox(db: Database) -> None:
    with refused(db, "demo_clock_off"):
        db.unit_of_work(lambda s: clock.advance(s, seconds=60, allowed=False))
    with refused(db, "demo_clock_step"):
        db.unit_of_work(lambda s: clock.advance(s, seconds=-60, allowed=True))


# -- Milestake's fee (REL-4) -------------------------------------------------------------------------


def test_rel_4_the_fee_is_the_platforms_and_another_is_agreed_at_the_review_only(db: Database) -> None:
    story = life.drafted(db)
    stage, offering_id = story.stage, story.offering_id

    def agree(fee_bp: int, *, by: Actor = story.operator, reason: str = "A large raise.") -> None:
        db.unit_of_work(lambda s: fees.agree(
            s, actor=by, offering_id=offering_id, fee_bp=fee_bp, reason=reason, now=stage.now))

    def type_fee(fee_bp: int) -> None:
        fields = dataclasses.replace(offerings.fields_of(stage.offering(offering_id)), fee_bp=fee_bp)
        db.unit_of_work(lambda s: offerings.update_draft(
            s, actor=story.founder, offering_id=offering_id, fields=fields, now=stage.now))

    assert stage.offering(offering_id).fee_bp == 500
    with refused(db, "fee_fixed"):
        type_fee(0)
    with refused(db, "not_in_review"):
        agree(300)
    stage.submit_offering(offering_id, story.founder)
    for fee_bp, code in ((2001, "fee_too_high"), (500, "fee_same")):
        with refused(db, code):
            agree(fee_bp)
    with refused(db, "forbidden"):
        agree(0, by=story.founder)
    with refused(db, "reason_empty"):
        agree(300, reason=" ")
    agree(333)
    # floor(2,000.00 x 3.33 %), and so on: what the founder sees before the launch.
    assert [(name, net.fee_minor, net.net_minor) for name, net in fees.net_of(stage.offering(offering_id))] == [
        ("minimum", 6_660, 193_340), ("target", 16_650, 483_350), ("maximum", 33_300, 966_700)]
    stage.appoint(offering_id, story.operator, story.auditors)
    stage.open_offering(offering_id, story.founder, story.operator)
    with refused(db, "not_in_review"):
        agree(100)
    with refused(db, "fee_fixed"):
        altered.propose(story, fee_bp=100)
