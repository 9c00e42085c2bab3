"""A live offering changes: versions, what stands in the way, who decides, and what silence means (OFF-2, OFF-8)."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from app.contracts.models import Milestone, TermsVersion
from app.db import Database
from app.ledger import chart, queries
from app.offerings import changes, versions
from app.offerings.change_models import OfferingVersion
from app.offerings.models import TokenClass
from milestones import document as documents
from tests.factories import altered
from tests.factories import life as lives
from tests.factories.life import Life
from tests.unchanged import refused

#: What is decided in Python alike is asked once; the set-based and the locked is asked of both databases.
on_sqlite = pytest.mark.databases("sqlite")


def balance(life: Life, kind: str) -> int:
    """Return how many tokens the class has unissued, or the offering reserved."""
    offering = life.stage.offering(life.offering_id)
    with life.stage.db.read() as session:
        token_class = session.get_one(TokenClass, offering.token_class_id)
        owner = token_class.public_id if kind == "unissued" else offering.public_id
        return queries.balance(session, getattr(chart, kind)(owner, token_class.asset))


def all_versions(life: Life) -> list[OfferingVersion]:
    with life.stage.db.read() as session:
        return list(session.scalars(sa.select(OfferingVersion).order_by(OfferingVersion.number)))


def contract(life: Life, **milestone: Any) -> dict[str, Any]:
    """Return the offering's contract with the first milestone changed."""
    with life.stage.db.read() as session:
        offering = life.stage.offering(life.offering_id)
        now = versions.current(session, offering)
        assert now is not None
        document = copy.deepcopy(now.document["contract"])
    document["milestones"][0] |= milestone
    return document


# -- OFF-2: before the first commitment -------------------------------------------------------------


def test_off_2_before_the_first_commitment_a_reviewed_version_replaces_the_old_one(db: Database) -> None:
    life = lives.live(db)
    stage, first = life.stage, altered.terms_of(life)
    stage.advance(days=3)
    before = stage.offering(life.offering_id)
    later = stage.now + dt.timedelta(days=40)
    change = altered.propose(
        life, price_micro=250_000, deadline_at=later, contract=contract(life, title="Another first step"),
        rights="Two votes.", story="Told better.",
    )
    assert altered.terms_of(life) == first  # nothing is effective before an operator has reviewed it
    altered.decide(life, change, reason="")
    offering = stage.offering(life.offering_id)
    assert (offering.price_micro, offering.story, offering.deadline_at) == (250_000, "Told better.", later)
    assert offering.open_since is not None
    assert offering.open_since - before.launched_at >= dt.timedelta(days=3)
    assert offering.cancel_until == later - dt.timedelta(hours=48)
    assert balance(life, "reserved") == 40_000
    assert balance(life, "unissued") == 960_000
    numbers = [(each.number, each.price_micro) for each in all_versions(life)]
    assert numbers == [(1, 500_000), (2, 250_000)]
    assert len({each.content_hash for each in all_versions(life)} | {first}) == 2
    assert altered.rounds(life) == []
    with db.read() as session:
        titles = session.scalars(sa.select(Milestone.title).order_by(Milestone.ordinal)).all()
        assert titles[1] == "Another first step"
        assert session.scalars(sa.select(TermsVersion.number).order_by(TermsVersion.number)).all() == [1, 2]
        assert session.get_one(TokenClass, offering.token_class_id).rights == "Two votes."


@on_sqlite
def test_off_2_the_minimum_days_start_again_with_a_new_version(db: Database) -> None:
    life = lives.live(db)
    life.stage.advance(days=10)
    with refused(db, "deadline_too_soon"):  # 20 days are left
        altered.propose(life, price_micro=250_000)


@on_sqlite
def test_off_2_silence_never_publishes_a_first_version_and_asks_a_second_operator(db: Database) -> None:
    life = lives.live(db)
    change = altered.propose(life, price_micro=250_000, deadline_at=life.stage.now + dt.timedelta(days=60))
    row = altered.change_row(life, change)
    life.stage.advance_to(row.decide_by)
    life.stage.advance(days=3)
    row = altered.change_row(life, change)
    assert (row.state, row.version_number) == ("proposed", None)
    assert row.escalated_at is not None
    assert life.stage.offering(life.offering_id).version_number == 1
    altered.decide(life, change, actor=life.stage.person("operator", "Second Operator"))
    assert life.stage.offering(life.offering_id).version_number == 2


@on_sqlite
def test_off_4_who_proposed_does_not_decide(db: Database) -> None:
    life = lives.live(db)
    both = dataclasses.replace(life.founder, memberships=life.founder.memberships | life.operator.memberships)
    change = altered.propose(life, actor=both, story="Other words", deadline_at=life.stage.now + dt.timedelta(days=60))
    with refused(db, "four_eyes"):
        altered.decide(life, change, actor=both)


# -- OFF-8: what is material, and who says so -------------------------------------------------------


def test_off_8_a_change_is_not_effective_before_the_decision_and_new_commitments_are_on_the_new_terms(
    db: Database,
) -> None:
    life = altered.held(db, 100_000)
    old = altered.terms_of(life)
    change = altered.propose(life, maximum_minor=2_000_000)
    assert (altered.terms_of(life), life.stage.offering(life.offering_id).maximum_minor) == (old, 1_000_000)
    assert balance(life, "reserved") == 20_000
    altered.decide(life, change, reason="")  # the table says it: no reason is asked
    assert balance(life, "reserved") == 40_000
    newcomer = life.stage.person("investor", "New Investor")
    life.commitments.append(life.stage.invest(newcomer, life.offering_id, 1_500_000 - 100_000))
    assert altered.commitment(life, 1).version_number == 2
    assert altered.commitment(life, 0).version_number == 1


@on_sqlite
def test_off_8_an_operator_adds_to_the_table_with_a_reason_and_never_takes_away(db: Database) -> None:
    life = altered.held(db, 100_000)
    listed = altered.propose(life, disclosures={"litigation": "A former supplier sues us."})
    with refused(db, "material_by_table"):
        altered.decide(life, listed, "not_material")
    altered.decide(life, listed, "decline", reason="Say how much is claimed.")
    assert altered.change_row(life, listed).state == "declined"
    unlisted = altered.propose(life, risks="One more risk.")
    with refused(db, "reason_empty"):
        altered.decide(life, unlisted, "material", reason=" ")
    altered.decide(life, unlisted, "material", reason="The risk is new.")
    assert [each.answer for each in altered.rounds(life)] == [None]


@on_sqlite
def test_off_8_what_is_not_material_takes_effect_and_asks_nobody(db: Database) -> None:
    life = altered.held(db, 100_000)
    change = altered.propose(life, story="Better told.")
    altered.decide(life, change, "not_material", reason="")
    assert altered.rounds(life) == []
    assert (life.stage.offering(life.offering_id).story, altered.commitment(life, 0).version_number) == (
        "Better told.", 1)
    assert life.stage.close(life.offering_id) == "failed"  # 1,000.00 of 2,000.00


@on_sqlite
def test_off_8_silence_of_the_operators_is_material_to_the_second(db: Database) -> None:
    life = altered.held(db, 100_000)
    change = altered.propose(life, story="Better told.")
    row = altered.change_row(life, change)
    life.stage.advance_to(row.decide_by - dt.timedelta(seconds=3))
    assert altered.change_row(life, change).state == "proposed"
    life.stage.advance_to(row.decide_by)
    row = altered.change_row(life, change)
    assert (row.state, row.is_material, row.decided_by, row.by_table) == ("effective", True, None, False)
    assert [each.answer for each in altered.rounds(life)] == [None]


# -- what stands in the way -------------------------------------------------------------------------


#: stable code → the fields of a proposal that it refuses; days count from now
IN_THE_WAY: dict[str, dict[str, Any]] = {
    "maximum_below_committed": {"maximum_minor": 399_999, "target_minor": 300_000},
    "amounts_out_of_order": {"minimum_minor": 600_000},
    "tokens_short": {"maximum_minor": 60_000_000},
    "field_fixed": {"currency": "EUR/2"},
    "deadline_too_soon": {"deadline_at": 6},
    "risks_empty": {"risks": " "},
    "nothing_changed": {"story": "We build sensors."},
}


@on_sqlite
def test_off_8_a_change_that_breaks_the_books_is_refused_with_what_stands_in_the_way(db: Database) -> None:
    life = altered.held(db, 400_000)
    for code, fields in IN_THE_WAY.items():
        if "deadline_at" in fields:
            fields = {"deadline_at": life.stage.now + dt.timedelta(days=fields["deadline_at"])}
        with refused(db, code):
            altered.propose(life, **fields)


@on_sqlite
def test_off_8_what_breaks_the_books_by_the_time_of_the_decision_is_refused_then_and_dropped_by_silence(
    db: Database,
) -> None:
    life = altered.held(db, 400_000)
    change = altered.propose(life, maximum_minor=500_000)
    newcomer = life.stage.person("investor", "New Investor")
    life.stage.invest(newcomer, life.offering_id, 200_000)
    with refused(db, "maximum_below_committed"):
        altered.decide(life, change)
    life.stage.advance_to(altered.change_row(life, change).decide_by)
    row = altered.change_row(life, change)
    assert (row.state, row.is_material) == ("declined", None)
    assert "$6,000.00 is committed" in (row.decision_reason or "")
    assert life.stage.offering(life.offering_id).version_number == 1


@on_sqlite
def test_off_8_only_auditors_who_accepted_stand_in_a_changed_contract(db: Database) -> None:
    life = altered.held(db, 100_000)
    stranger = life.stage.person("auditor", "Stranger", email="stranger@elsewhere.example")
    with refused(db, "auditor_without_seat"):
        altered.propose(life, contract=contract(life, auditors=[life.stage.party_public_id(stranger, "auditor")]))


def test_off_8_a_changed_contract_is_the_next_version_and_keeps_its_milestones(db: Database) -> None:
    life = altered.held(db, 100_000, 150_000)
    milestone = life.stage.milestone(life.offering_id, 1)
    changed = contract(life)
    changed["milestones"][0]["tranche_bp"], changed["milestones"][1]["tranche_bp"] = 2500, 3500
    altered.changed(life, contract=changed)
    after = life.stage.milestone(life.offering_id, 1)
    assert (after.public_id, after.tranche_bp) == (milestone.public_id, 2500)
    with db.read() as session:
        offering = life.stage.offering(life.offering_id)
        newest = session.get_one(TermsVersion, offering.terms_version_id)
        assert newest.number == 2
        assert newest.content_hash == documents.contract_hash(documents.parse_document(changed))
    for index in range(2):
        altered.reconfirm(life, index)
    assert altered.commitment(life, 0).terms_version_id == offering.terms_version_id
    assert life.stage.close(life.offering_id) == "active"
    lives.released(life, 1)
    assert life.stage.milestone(life.offering_id, 1).released_minor == 62_500


@on_sqlite
def test_off_8_one_proposal_at_a_time_and_the_founder_may_take_it_back(db: Database) -> None:
    life = altered.held(db, 100_000)
    change = altered.propose(life, story="One")
    with refused(db, "change_open"):
        altered.propose(life, story="Two")
    db.unit_of_work(
        lambda s: changes.take_back(s, actor=life.founder, change_id=change, now=life.stage.now)
    )
    with refused(db, "change_decided"):
        altered.decide(life, change)
    assert altered.change_row(life, altered.propose(life, story="Two")).number == 2


def test_off_8_a_third_material_change_is_a_withdrawal(db: Database) -> None:
    life = altered.held(db, 300_000)
    for minimum in (210_000, 220_000):
        altered.changed(life, minimum_minor=minimum)
        altered.reconfirm(life, 0)
    with refused(db, "changes_used_up"):
        altered.propose(life, minimum_minor=230_000)
    altered.decide(life, altered.propose(life, story="Told better."), "not_material")
    third = altered.propose(life, story="Told anew.")
    altered.decide(life, third, "material", reason="It says another thing.")
    assert altered.change_row(life, third).state == "ended_offering"
    offering = life.stage.offering(life.offering_id)
    assert (offering.state, offering.end_trigger) == ("withdrawn", "withdrawn")
    assert offering.version_number == 4


# -- updates and flags ------------------------------------------------------------------------------


def test_off_8_a_flagged_update_that_nobody_answers_is_material(db: Database) -> None:
    life = altered.held(db, 100_000, 200_000)
    update = altered.post(life, title="Our pilot ended", text="The customer left.")
    altered.flag(life, update, 0)
    altered.flag(life, update, 0)  # once each
    altered.flag(life, update, 1)
    with db.read() as session:
        change = session.scalars(sa.select(changes.OfferingChange)).one()
    assert (change.kind, change.state, change.by_table) == ("update", "proposed", False)
    life.stage.advance_to(change.decide_by)
    assert len(altered.rounds(life)) == 2
    with db.read() as session:
        judged = versions.between(session, life.stage.offering(life.offering_id), 1)
    assert [(each.change.path, each.change.after["title"]) for each in judged] == [
        (f"/updates/{update}", "Our pilot ended")]


@on_sqlite
def test_off_8_an_operator_finds_a_flagged_update_not_material_once_for_all(db: Database) -> None:
    life = altered.held(db, 100_000, 200_000)
    update = altered.post(life)
    altered.flag(life, update, 0)
    with db.read() as session:
        change = session.scalars(sa.select(changes.OfferingChange.public_id)).one()
    altered.decide(life, change, "not_material", reason="Known before.")
    assert (altered.change_row(life, change).is_material, altered.rounds(life)) == (False, [])
    with refused(db, "update_decided"):
        altered.flag(life, update, 1)


@on_sqlite
def test_off_8_only_who_committed_may_flag_and_a_material_update_needs_no_flag(db: Database) -> None:
    life = altered.held(db, 100_000)
    update = altered.post(life)
    life.investors.append(life.stage.person("investor", "Bystander"))
    with refused(db, "not_committed"):
        altered.flag(life, update, 1)
    altered.post(life, "material", title="We are sued")
    with db.read() as session:
        change = session.scalars(sa.select(changes.OfferingChange)).one()
    assert (change.kind, change.by_table) == ("update", True)
    with refused(db, "material_by_table"):
        altered.decide(life, change.public_id, "not_material")
