"""Declarations, questions, acknowledgements and the gate before a commitment (PPL-3, COM-9, regimes.md §4)."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.accounts.actor import Actor
from app.db import Database
from app.errors import Refused
from app.investors import delivery, queries, rules, service
from app.investors.models import Acknowledgement, Declaration
from app.notices.models import Notice
from tests.factories import life as lives
from tests.functional.investors.conftest import Newcomer, newcomer_on
from tests.unchanged import refused


def test_ppl_3_the_gate_says_all_that_is_missing_in_a_fixed_order(db: Database) -> None:
    life = lives.live(db, investors=0)
    nina = newcomer_on(life.stage)
    with refused(db, "verification_missing"):
        life.stage.commit(nina.actor, life.offering_id, 50_000)
    with db.read() as session, pytest.raises(Refused) as caught:
        service.demand_may_commit(session, nina.party, now=life.stage.now)
    assert nina.missing() == [
        "verification_missing", "declaration_missing", "delivery_missing", "understanding_missing"]
    check = nina.ask()
    assert nina.missing()[0] == "verification_pending"
    nina.verify(check.public_id)
    nina.declare()
    with refused(db, "delivery_missing"):
        life.stage.commit(nina.actor, life.offering_id, 50_000)
    nina.agree()
    with refused(db, "understanding_missing"):
        life.stage.commit(nina.actor, life.offering_id, 50_000)
    nina.answer(rightly=True)
    commitment_id = life.stage.commit(nina.actor, life.offering_id, 50_000)
    with db.read() as session:
        kept = session.scalars(sa.select(Acknowledgement).where(Acknowledgement.about == commitment_id)).one()
    assert (kept.kind, kept.wording_hash) == ("risk", rules.hash_of(rules.RISK_WORDING))
    assert caught.value.facts["reasons"] == [
        "verification_missing", "declaration_missing", "delivery_missing", "understanding_missing"]
    assert caught.value.facts["steps"] == ["verification", "declaration", "delivery", "understanding"]


def test_ppl_3_electronic_delivery_is_agreed_to_once_and_withdrawing_stops_new_commitments_only(db: Database) -> None:
    life = lives.live(db, investors=1)
    (investor,) = life.investors
    stage, party = life.stage, life.stage.party(life.investors[0], "investor")
    otto = stage.person("investor", "Otto Other", may_commit=False)
    first = stage.invest(investor, life.offering_id, 50_000)

    def act(what: str, actor: Actor = investor, wording: str = rules.DELIVERY_WORDING_HASH) -> None:
        told = {"actor": actor, "party_id": party, "now": stage.now}
        if what == "consent":
            told["wording_hash"] = wording
        db.unit_of_work(lambda session: getattr(delivery, what)(session, **told))

    act("consent")
    stage.advance(hours=1)
    act("withdraw")
    act("withdraw")
    with refused(db, "delivery_missing"):
        stage.commit(investor, life.offering_id, 60_000)
    with refused(db, "wording_changed"):
        act("consent", wording="0" * 64)
    with refused(db, "party_not_found"):
        act("consent", actor=otto)
    # What was committed stays, and is told by mail: a change of it, as here its cancelling.
    stage.cancel(investor, first)
    stage.work()
    act("consent")
    stage.commit(investor, life.offering_id, 60_000)
    with db.read() as session:
        kept = session.scalars(sa.select(Acknowledgement).where(Acknowledgement.kind.like("delivery%")).where(
            Acknowledgement.party_id == party).order_by(Acknowledgement.id)).all()
        told = session.scalars(sa.select(Notice.kind).where(Notice.user_id == investor.user_id)).all()
    assert [row.kind for row in kept] == ["delivery_agreed", "delivery_withdrawn", "delivery_agreed"]
    assert {row.wording_hash for row in kept} == {rules.DELIVERY_WORDING_HASH}
    assert "commitment_cancelled" in told


def test_a_restricted_investors_percentages_are_in_the_hash_of_what_was_confirmed(nina: Newcomer) -> None:
    for wrong in ({}, {"invested_bp": 10_001, "intends_bp": 0}, {"invested_bp": 0, "intends_bp": -1}):
        with refused(nina.db, "percentages_missing"):
            nina.declare("restricted", **wrong)
    row = nina.declare("restricted", invested_bp=950, intends_bp=0)
    words = rules.restricted_wording(950, 0)
    assert words.endswith("past 12 months: 9.5 %. To be put in over the next 12 months: 0 %.")
    assert (row.invested_bp, row.intends_bp, row.wording_hash) == (950, 0, rules.hash_of(words))
    other = nina.declare("retail", invested_bp=950, intends_bp=0)
    assert (other.invested_bp, other.intends_bp) == (None, None)


def test_ppl_3_an_expiry_stops_new_commitments_and_never_a_refund(db: Database) -> None:
    life = lives.live(db, investors=0, fields={"minimum_minor": 900_000, "target_minor": 900_000})
    nina = newcomer_on(life.stage)
    nina.declare()
    nina.answer(rightly=True)
    nina.agree()
    now = life.stage.now
    nina.verify(nina.ask().public_id, expires_at=now + dt.timedelta(days=10))
    commitment_id = life.stage.invest(nina.actor, life.offering_id, 100_000)
    life.stage.advance_to(now + dt.timedelta(days=10))
    assert nina.state() == "expired"
    with refused(db, "verification_expired"):
        life.stage.commit(nina.actor, life.offering_id, 50_000)
    assert life.stage.close(life.offering_id) == "failed"
    with db.read() as session:
        from app.commitments.models import Commitment, Refund

        mine = session.scalars(sa.select(Commitment).where(Commitment.public_id == commitment_id)).one()
        assert session.scalars(sa.select(Refund.status).where(Refund.commitment_id == mine.id)).all() == ["done"]


def test_a_declaration_is_kept_beside_the_earlier_ones_and_the_latest_counts(nina: Newcomer) -> None:
    first = nina.declare("retail", income_minor=4_000_000)
    second = nina.declare("accredited", income_minor=40_000_000)
    with nina.db.read() as session:
        assert queries.declaration(session, nina.party).public_id == second.public_id
        assert [each.category for each in queries.declarations(session, nina.party)] == ["accredited", "retail"]
        kept = session.scalars(sa.select(Acknowledgement).order_by(Acknowledgement.id)).all()
    assert [each.about for each in kept] == [first.public_id, second.public_id]
    assert kept[1].wording_hash == rules.hash_of(rules.declaration_wording("accredited"))
    assert second.valid_until == rules.add_months(second.declared_at, 12)
    for change in (sa.update(Declaration).values(income_minor=1), sa.update(Acknowledgement).values(kind="other")):
        with pytest.raises(DBAPIError, match="append_only"):
            nina.db.unit_of_work(lambda session, change=change: session.execute(change))


def test_ppl_6_what_people_state_stays_out_of_the_log_and_can_be_erased(nina: Newcomer) -> None:
    from app.audit.models import LogEntry

    nina.declare(income_minor=4_321_987)
    nina.ask()
    with nina.db.read() as session:
        text = " ".join(str((row.before, row.after, row.reason)) for row in session.scalars(sa.select(LogEntry)))
    for secret in ("4321987", "Newcomer", "1990", "DE"):
        assert secret not in text
    nina.db.unit_of_work(lambda session: session.execute(sa.delete(Declaration)))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"category": "whale", "wording_hash": "x"}, "category_unknown"),
        ({"income_minor": -1}, "amount_negative"),
        ({"net_worth_minor": -1}, "amount_negative"),
        ({"wording_hash": "0" * 64}, "wording_changed"),
    ],
)
@pytest.mark.databases("sqlite")
def test_a_declaration_that_does_not_hold_changes_nothing(nina: Newcomer, changes: dict, code: str) -> None:
    with refused(nina.db, code):
        nina.declare(**changes)


def test_understanding_waits_24_hours_to_the_second_after_two_failures(nina: Newcomer) -> None:
    nine = nina.stage.now
    assert not nina.answer(rightly=False, now=nine).passed
    assert not nina.answer(rightly=False, now=nine + dt.timedelta(seconds=1)).passed
    opens = nine + dt.timedelta(days=1, seconds=1)
    with refused(nina.db, "too_soon"):
        nina.answer(rightly=True, now=opens - dt.timedelta(microseconds=1))
    assert not nina.answer(rightly=False, now=opens).passed
    # Each new try waits from the last failure.
    with refused(nina.db, "too_soon"):
        nina.answer(rightly=True, now=opens + dt.timedelta(hours=24) - dt.timedelta(seconds=1))
    assert nina.answer(rightly=True, now=opens + dt.timedelta(hours=24)).passed
    # A pass forgives the failures before it.
    with nina.db.read() as session:
        assert queries.tries(session, nina.party) == queries.Tries(4, 0, None)
    assert not nina.answer(rightly=False, now=opens + dt.timedelta(hours=25)).passed
    assert not nina.answer(rightly=False, now=opens + dt.timedelta(hours=25)).passed


def test_understanding_is_answered_again_after_a_year(nina: Newcomer) -> None:
    passed = nina.answer(rightly=True)
    until = rules.add_months(passed.answered_at, 12)
    with nina.db.read() as session:
        standing = queries.standing(session, nina.party)
    codes = [each.code for each in queries.missing(standing, until - dt.timedelta(microseconds=1))]
    assert "understanding_expired" not in codes
    assert queries.missing(standing, until)[-1].code == "understanding_expired"
    # Where a regime asks every two years only, one year later is soon enough.
    assert queries.missing(standing, until, understanding_months=24)[-1].code == "delivery_missing"


def test_understanding_one_try_is_marked_once(nina: Newcomer) -> None:
    nina.answer(rightly=False)
    with refused(nina.db, "try_changed"):
        nina.db.unit_of_work(
            lambda session: service.answer(
                session, actor=nina.actor, party_id=nina.party, number=1, chosen={}, now=nina.stage.now
            )
        )
    with refused(nina.db, "answer_missing"):
        nina.db.unit_of_work(
            lambda session: service.answer(
                session, actor=nina.actor, party_id=nina.party, number=2, chosen={}, now=nina.stage.now
            )
        )


@pytest.mark.databases("sqlite")
def test_nobody_declares_or_answers_for_another(nina: Newcomer) -> None:
    other = nina.stage.person("investor", "Otto Other", may_commit=False)
    with refused(nina.db, "party_not_found"):
        nina.db.unit_of_work(
            lambda session: service.answer(
                session, actor=other, party_id=nina.party, number=1, chosen={}, now=nina.stage.now
            )
        )
