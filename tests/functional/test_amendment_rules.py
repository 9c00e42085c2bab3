"""Amendments of a running plan through the services: votes, exits, effects, and those who try to cheat (MIL-13).

Six investors with 1,000, 800, 600 and three times 500; 15 % is out at the close. So 850, 680, 510 and 425 are
unreleased, and nobody weighs more than 595, which is a fifth of 2,975.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.commitments import links
from app.contracts.models import TermsVersion
from app.db import Database
from app.offerings import service as offerings
from app.progress import amending
from app.progress.halt_models import PollAnswer
from tests.factories import amendments as amend
from tests.factories import halts, life
from tests.factories.amendments import measure, setting, shares
from tests.functional import figures
from tests.unchanged import refused

DAY = dt.timedelta(days=1)
WEAKER = measure("m2", "1000")


def later(story: life.Life, key: str, days: int) -> amend.Edit:
    milestone = next(each for each in amend.terms(story).milestones if each.key == key)
    return setting(key, target_date=(milestone.target_date + days * DAY).isoformat())


def tranches(story: life.Life) -> list[int | None]:
    return [each.tranche_minor for each in story.stage.milestones(story.offering_id)]


def test_mil_13_an_ordinary_change_takes_effect_after_ten_business_days(db: Database) -> None:
    story = amend.running(db)
    before = story.stage.milestone(story.offering_id, 2)
    amend.propose(story, later(story, "m2", 20), setting("m2", title="The second step"))
    poll = amend.poll(story)
    assert (poll.kind, poll.total_minor, poll.level_minor) == ("amendment", 297_500, 59_500)
    assert poll.ends_at - poll.opened_at >= 7 * DAY
    with db.read() as session:
        weights = session.execute(sa.select(PollAnswer.weight_minor, PollAnswer.unreleased_minor)).all()
    assert sorted(map(tuple, weights)) == [
        (42_500, 42_500), (42_500, 42_500), (42_500, 42_500), (51_000, 51_000), (59_500, 68_000), (59_500, 85_000),
    ]
    amend.vote(story, "--ynny")
    amend.vote(story, "---yy-")  # an answer can be changed until the end, as often as one likes
    amend.vote(story, "---ny-")
    done = amend.count(story)
    assert (done.state, done.is_adverse) == ("effective", False)
    after = story.stage.milestone(story.offering_id, 2)
    assert before.target_at is not None and after.target_at == before.target_at + 20 * DAY
    assert (after.title, after.long_stop_at, after.state) == ("The second step", before.long_stop_at, "locked")
    assert tranches(story) == [58_500, 117_000, 117_000, 97_500]
    with db.read() as session:
        hashed = amending.poll_of(session, done)
        assert (hashed.yes_minor, hashed.no_minor, hashed.outcome) == (136_000, 42_500, "passed")
        version = session.execute(
            sa.select(TermsVersion.number, TermsVersion.content_hash).order_by(TermsVersion.number.desc())
        ).first()
    assert version == (2, done.content_hash)


def test_mil_13_without_a_quarter_of_the_weight_or_with_a_tie_it_falls_and_rests_for_sixty_days(db: Database) -> None:
    story = amend.running(db)
    amend.propose(story, later(story, "m2", 20))
    amend.vote(story, "y-----")
    assert amend.count(story).state == "fell"  # 595 of 2,975 voted
    with refused(db, "amendment_waits"):
        amend.propose(story, later(story, "m2", 19), setting("m3", title="Bundled"))
    amend.propose(story, later(story, "m3", 20))
    amend.vote(story, "yn----")
    assert amend.count(story).state == "fell"
    fell = amend.amendment(story).ended_at
    assert fell is not None
    story.stage.advance_to(fell + 45 * DAY)  # the first no is 60 days old, the second not
    amend.propose(story, later(story, "m2", 20))
    story.stage.db.unit_of_work(
        lambda session: amending.withdraw(
            session, actor=story.founder, amendment_id=amend.amendment(story).public_id, now=story.stage.now
        )
    )
    with refused(db, "amendment_waits"):  # taking it back is a no too
        amend.propose(story, later(story, "m2", 20))
    assert tranches(story) == [58_500, 117_000, 117_000, 97_500]


def test_mil_13_an_adverse_change_needs_heads_and_lets_everybody_else_leave(db: Database) -> None:
    story = amend.running(db)
    amend.propose(story, WEAKER)
    assert amend.poll(story).kind == "adverse_amendment"
    amend.vote(story, "nyyyn-")
    done = amend.count(story)
    assert (done.state, done.effective_version_id) == ("leaving", None)
    with refused(db, "voted_for"):
        amend.leave(story, 1)
    left = amend.leave(story, 0)
    assert (left.amount_minor, left.tokens_lapsed) == (85_000, 1_700)
    assert figures.position(story, 0) == (0, 15_000, 300, 300)
    assert tranches(story) == [58_500, 87_000, 87_000, 72_500]
    with refused(db, "nothing_left"):
        amend.leave(story, 0)
    amend.leave(story, 5)  # silence is not a yes
    assert amend.take_effect(story).state == "effective"
    with refused(db, "leave_over"):
        amend.leave(story, 4)
    assert sum(amount for _ordinal, amount, *_rest in figures.refunds(story)) == 127_500
    life.released(story, 1)
    assert story.stage.milestone(story.offering_id, 1).released_minor == 204_000 * 3_000 // 8_500


def test_mil_13_most_money_without_most_heads_is_a_no(db: Database) -> None:
    story = amend.running(db)
    amend.propose(story, WEAKER)
    amend.vote(story, "yy-nn-")  # 1,190 against 850, two heads against two
    assert amend.count(story).state == "fell"


def test_mil_13_what_is_submitted_meanwhile_drops_out_and_keeps_its_terms(db: Database) -> None:
    story = amend.running(db)
    amend.propose(story, measure("m1", "60000"), setting("m2", title="Second"))
    submission = story.stage.submit_evidence(story.founder, story.stage.milestone(story.offering_id, 1).public_id)
    amend.vote(story, "yyyyyy")
    assert amend.count(story).state == "effective"
    now = amend.terms(story)
    assert (now.milestones[0].criteria[0].measure.value, now.milestones[1].title) == ("50000", "Second")
    # Attestation and release bind to the version under which the evidence was received.
    story.stage.attest(story.auditors[0], submission, "met")
    window = story.stage.milestone(story.offering_id, 1).deadline_at
    assert window is not None
    story.stage.advance_to(window)
    first = story.stage.milestone(story.offering_id, 1)
    assert (first.state, first.released_minor) == ("released", 117_000)


def test_mil_13_money_moves_among_what_is_not_submitted(db: Database) -> None:
    story = amend.running(db)
    life.released(story, 1)
    amend.propose(story, shares(m2=2500, m3=3000))
    amend.vote(story, "yyyyyy")
    assert amend.count(story).state == "effective"
    assert tranches(story) == [58_500, 117_000, 97_500, 117_000]
    life.released(story, 2)
    life.released(story, 3)
    story.stage.advance(days=1)
    assert figures.offering(story).state == "completed"


def test_mil_13_a_milestone_is_added_and_reviewed_by_auditors_who_accepted(db: Database) -> None:
    story = amend.running(db)
    extra = story.stage.person("auditor", "Extra Auditor", email="extra@firm9.example")
    party = story.stage.party_public_id(extra, "auditor")

    def add(document: dict[str, object]) -> None:
        milestones = document["milestones"]
        assert isinstance(milestones, list)
        last = milestones[-1]
        milestones.append({**last, "key": "m4", "title": "Fourth", "tranche_bp": 1000, "auditors": [party]})
        last["tranche_bp"] = 1500

    amend.propose(story, add)
    with refused(db, "amendment_not_found"):
        story.stage.db.unit_of_work(lambda session: amending.answer_seat(
            session, actor=story.auditors[0], amendment_id=amend.amendment(story).public_id, accept=True,
            now=story.stage.now,
        ))
    story.stage.db.unit_of_work(lambda session: amending.answer_seat(
        session, actor=extra, amendment_id=amend.amendment(story).public_id, accept=True, now=story.stage.now,
    ))
    amend.vote(story, "yyyyyy")
    assert amend.count(story).state == "effective"
    assert tranches(story) == [58_500, 117_000, 117_000, 58_500, 39_000]
    assert [each.key for each in story.stage.milestones(story.offering_id)] == ["closing", "m1", "m2", "m3", "m4"]


def test_mil_13_an_auditor_who_does_not_accept_makes_it_void(db: Database) -> None:
    story = amend.running(db)
    extra = story.stage.person("auditor", "Extra Auditor", email="extra@firm9.example")
    party = story.stage.party_public_id(extra, "auditor")
    amend.propose(story, setting("m3", auditors=[party]))
    amend.vote(story, "yyyyyy")
    assert (amend.count(story).state, amend.terms(story).milestones[2].auditors) != ("effective", (party,))
    assert amend.amendment(story).state == "void"


def test_mil_13_the_plan_ends_and_the_proposal_with_it(db: Database) -> None:
    story = amend.running(db)
    amend.propose(story, WEAKER)
    figures.resign(story)
    story.stage.work()
    assert (amend.amendment(story).state, amend.poll(story).outcome) == ("void", "dropped")


def test_mil_13_one_proposal_at_a_time_by_the_company_of_a_plan_that_runs(db: Database) -> None:
    story = life.active(db, amounts=amend.AMOUNTS)
    with refused(db, "amendment_day_one"):
        amend.propose(story, WEAKER)
    story.stage.advance(days=2)
    other = story.stage.person("founder", "Other Founder")
    with refused(db, "offering_not_found"):
        amend.propose(story, WEAKER, by=other)
    life.reviewed(story, 1)
    with refused(db, "milestone_settled"):
        amend.propose(story, shares(m1=2900, m2=3100))
    amend.propose(story, WEAKER)
    with refused(db, "amendment_open"):
        amend.propose(story, later(story, "m3", 5))


# -- those who try to cheat ---------------------------------------------------------------------------


def test_mil_13_straw_money_found_out_during_the_vote_is_struck(db: Database) -> None:
    """A founder's friends carry an adverse change; the link is found before the count."""
    story = amend.running(db)
    amend.propose(story, WEAKER)
    amend.vote(story, "yy-n--")
    stage = story.stage
    for number in (0, 1):
        mark = {"account": "one account"}
        party = stage.party(story.investors[number], "investor")
        db.unit_of_work(lambda session, party=party, mark=mark: links.note_facts(session, party, mark, now=stage.now))
    db.unit_of_work(lambda session: links.find(session, offerings.offering_by_id(session, story.offering_id),
                                               now=stage.now))
    done = amend.count(story)
    poll = amend.poll(story)
    assert (done.state, poll.yes_minor, poll.no_minor, poll.yes_heads, poll.no_heads) == ("fell", 0, 42_500, 0, 1)


def test_mil_13_small_amendments_do_not_add_up_to_a_front_loaded_plan(db: Database) -> None:
    """Every vote is won, and the cap is against the terms that the plan began with all the same."""
    story = amend.running(db)
    for first, last in ((3500, 2000), (4000, 1500)):
        amend.propose(story, shares(m1=first, m3=last))
        amend.vote(story, "yyyyyy")
        assert amend.count(story).state == "leaving"
        assert amend.take_effect(story).state == "effective"
    assert tranches(story) == [58_500, 331_500 * 4000 // 8500, 117_000, 331_500 - 156_000 - 117_000]
    with refused(db, "amendment_too_soon"):
        amend.propose(story, shares(m1=4001, m3=1499))


def test_mil_13_a_halt_tolls_the_vote_and_the_time_to_leave(db: Database) -> None:
    story = amend.running(db)
    amend.propose(story, WEAKER)
    ends = amend.poll(story).ends_at
    halt = halts.place(story, days=3)
    story.stage.advance(days=2)
    halts.lift(story, halt)
    assert amend.poll(story).ends_at >= ends + 2 * DAY
    amend.vote(story, "nyyyy-")
    assert amend.count(story).state == "leaving"
    until = amend.amendment(story).leave_until
    assert until is not None
    halt = halts.place(story, days=3)
    amend.leave(story, 0)  # money back to investors is never held up
    story.stage.advance(days=2)
    halts.lift(story, halt)
    moved = amend.amendment(story).leave_until
    assert moved is not None and moved >= until + 2 * DAY
