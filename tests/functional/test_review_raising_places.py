"""What a review of raising found about places, links, cards and answers (COM-11, COM-13, OFF-8, OFF-11)."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.closing import allotment
from app.commitments import links
from app.commitments.models import CommitmentLink
from app.db import Database
from app.offerings import service as offerings
from app.offerings.models import Issuer
from app.payments import card_use
from app.progress import polls
from milestones.polls import Tally
from tests.factories import altered, halts
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional import figures
from tests.unchanged import refused

# -- unpaid places under a higher maximum -----------------------------------------------------------


@pytest.fixture
def full(db: Database) -> Life:
    """Return a full offering: a fifth of it waits to be paid, and a place larger than that is offered."""
    life = lives.live(db, investors=4, fields={"maximum_minor": 500_000, "target_minor": 500_000})
    for investor, amount in zip(life.investors, (250_000, 150_000), strict=False):
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount))
    life.stage.advance(hours=1)
    life.commitments.append(life.stage.commit(life.investors[2], life.offering_id, 100_000))
    entry = life.stage.wait(life.investors[3], life.offering_id, 150_000)
    life.stage.cancel(life.investors[1], life.commitments[1])
    life.stage.work()
    assert life.stage.waiting_entry(entry).status == "offered"
    assert (figures.offering(life).unpaid_minor, figures.offering(life).offered_minor) == (100_000, 150_000)
    return life


def test_com_13_a_higher_maximum_waits_for_the_places_it_would_count_as_unpaid(full: Life) -> None:
    # 250,000 would be unpaid of 900,000, whose fifth is 180,000.
    change = altered.propose(full, maximum_minor=900_000)
    with refused(full.stage.db, "unpaid_above_fifth"):
        altered.decide(full, change)
    full.stage.pay(full.investors[2], full.commitments[2])
    full.stage.work()
    altered.decide(full, change)
    offering = figures.offering(full)
    assert (offering.maximum_minor, offering.unpaid_minor) == (900_000, 150_000)


def test_com_13_in_silence_such_a_maximum_is_dropped_and_the_founder_told_why(full: Life) -> None:
    change = altered.propose(full, maximum_minor=900_000)
    due = altered.change_row(full, change).decide_by
    assert due is not None
    # The offer passed and stands again, and somebody has just taken the rest.
    full.stage.advance_to(due - dt.timedelta(minutes=5))
    full.stage.commit(full.investors[0], full.offering_id, 100_000)
    before = figures.offering(full)
    assert (before.unpaid_minor, before.offered_minor) == (100_000, 150_000)
    full.stage.advance_to(due)
    row, after = altered.change_row(full, change), figures.offering(full)
    assert (row.state, after.maximum_minor, after.unpaid_minor) == ("declined", 500_000, 100_000)
    assert row.decision_reason is not None
    assert "would count as not paid yet" in row.decision_reason


def test_com_13_whoever_gives_a_place_back_unpaid_pays_the_next_at_once(db: Database) -> None:
    life = lives.live(db, investors=1)
    stage, investor = life.stage, life.investors[0]
    kept = []
    for hours in (0, 23, 0):
        life.commitments.append(stage.commit(investor, life.offering_id, 200_000))
        row = figures.commitment(life, -1)
        kept.append(row.pay_by - row.created_at)
        stage.advance(hours=hours)
        stage.cancel(investor, row.public_id)
    # Another mind within minutes costs nothing; a day in which nobody else had the place does.
    assert kept == [dt.timedelta(hours=24), dt.timedelta(hours=24), dt.timedelta(minutes=15)]


# -- many who share one mark ------------------------------------------------------------------------


def _mark(life: Life, number: int, account: str) -> None:
    party = life.stage.party(life.investors[number], "investor")
    life.stage.db.unit_of_work(
        lambda session: links.note_facts(session, party, {"account": account}, now=life.stage.now)
    )


def _find(life: Life) -> int:
    return life.stage.db.unit_of_work(
        lambda session: links.find(session, offerings.offering_by_id(session, life.offering_id), now=life.stage.now)
    )


def _linked(life: Life) -> list[bool]:
    return [figures.commitment(life, number).is_linked for number in range(len(life.commitments))]


def test_com_11_many_of_one_account_are_one_link_each_and_stay_linked_when_one_leaves(db: Database) -> None:
    life = altered.held(db, *[50_000] * 6)
    for number in range(6):
        _mark(life, number, "POOLED")
    assert (_find(life), _find(life)) == (6, 0)
    assert _linked(life) == [True] * 6
    with db.read() as session:
        offering = offerings.offering_by_id(session, life.offering_id)
        assert len(set(allotment.linked_groups(session, offering.id).values())) == 1
        first = session.scalars(sa.select(CommitmentLink.public_id).order_by(CommitmentLink.id)).all()[3]
    # What an operator lifted stays lifted, and the others' links stand also when their witness leaves.
    act = life.stage.db.unit_of_work
    act(lambda s: links.contest(s, actor=life.investors[3], link_id=first, words="A wallet.", now=life.stage.now))
    act(lambda s: links.decide(s, actor=life.operator, link_id=first, lift=True, reason="It is.", now=life.stage.now))
    life.stage.cancel(life.investors[0], life.commitments[0])
    assert _find(life) == 0
    assert _linked(life) == [True, True, True, False, True, True]
    for number in (1, 3, 4, 5):
        life.stage.cancel(life.investors[number], life.commitments[number])
    assert _find(life) == 0
    assert not _linked(life)[2]


# -- cards ------------------------------------------------------------------------------------------


def test_com_13_silence_when_an_offering_changed_is_no_cancellation_by_card(db: Database) -> None:
    life = lives.live(db, investors=1)
    investor = life.investors[0]
    for _time in range(4):
        life.commitments.append(life.stage.invest(investor, life.offering_id, 50_000, "fee_card"))
    life.stage.work()
    altered.changed(life, minimum_minor=210_000)
    altered.leave(life, 0)
    due = altered.rounds(life)[1].due_at
    assert due is not None
    life.stage.advance_to(due)
    assert [figures.commitment(life, number).status for number in range(4)] == ["cancelled"] * 4
    with db.read() as session:
        assert not card_use.is_bank_only(session, life.stage.party(investor, "investor"))
    life.stage.invest(investor, life.offering_id, 50_000, "fee_card")


# -- who acts for several ---------------------------------------------------------------------------


def test_off_11_who_acts_for_two_investors_answers_for_each(db: Database) -> None:
    life = lives.active(db, amounts=(150_000, 90_000))
    halts.place(life, days=3)
    life.stage.advance_to(halts.halt(life).ends_at)
    one, other = life.investors
    life.investors[:] = [Actor(one.user_id, one.memberships | other.memberships, second_factor=True, name="Both")] * 2
    first, second = (halts.answer(life, number, "yes") for number in (0, 1))
    assert first.public_id != second.public_id
    poll = halts.poll(life)
    with db.read() as session:
        assert polls.tally(session, poll) == Tally(240_000 * 85 // 100, 240_000 * 85 // 100, 0, yes_heads=2)
    act = life.stage.db.unit_of_work
    act(lambda s: polls.answer(s, actor=life.investors[0], poll_id=second.public_id, choice="no",
                               key=life.stage.key(), now=life.stage.now))
    with db.read() as session:
        assert polls.tally(session, poll).no_minor == second.weight_minor
    with refused(db, "poll_not_found"):
        act(lambda s: polls.answer(s, actor=one, poll_id=second.public_id, choice="yes", key=life.stage.key(),
                                   now=life.stage.now))


def test_com_11_who_joins_the_company_after_paying_counts_toward_no_minimum(db: Database) -> None:
    life = altered.held(db, 300_000)
    stage, investor = life.stage, life.investors[0]
    with db.read() as session:
        company = session.scalars(sa.select(Issuer.party_id)).one()
    db.unit_of_work(
        lambda s: accounts.add_member(
            s, actor=life.founder, user_id=accounts.user_of(investor), party_id=company, role="founder", now=stage.now
        )
    )
    assert stage.close(life.offering_id) == "failed"
    offering = figures.offering(life)
    assert (offering.counted_minor, _linked(life)) == (0, [True])
    with db.read() as session:
        link = session.execute(sa.select(CommitmentLink.kind, CommitmentLink.is_issuer)).one()
    assert tuple(link) == ("team", True)
