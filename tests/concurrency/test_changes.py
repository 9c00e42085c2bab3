"""Changes and answers at the same moment: one outcome, nothing slips through (OFF-8, COM-1, COM-2)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app import clock
from app.commitments import reconfirm_rounds, reconfirming
from app.commitments.models import Commitment
from app.db import Database
from app.errors import MilestakeError
from app.offerings.change_models import OfferingChange, OfferingVersion
from tests.concurrency.test_places import at_once
from tests.factories import altered


def test_off_8_of_two_changes_at_once_one_is_proposed_and_the_other_is_told(db: Database) -> None:
    life = altered.held(db, 300_000)
    results = at_once(
        [lambda amount=amount: altered.propose(life, minimum_minor=amount)
         for amount in range(210_000, 270_000, 10_000)]
    )
    assert results.count("change_open") == 5
    (winner,) = [each for each in results if str(each).startswith("chg_")]
    with db.read() as session:
        assert session.scalars(sa.select(OfferingChange.public_id)).all() == [winner]


def test_off_8_of_two_decisions_at_once_one_counts(db: Database) -> None:
    life = altered.held(db, 300_000)
    change = altered.propose(life, story="Other words")
    operators = [life.stage.person("operator", f"Operator {n}") for n in range(4)]
    results = at_once(
        [lambda who=who, verdict=verdict: altered.decide(life, change, verdict, actor=who, work=False)
         for who, verdict in zip(operators, ["material", "not_material"] * 2, strict=True)]
    )
    assert sorted(str(each) for each in results) == ["None", *["change_decided"] * 3]
    with db.read() as session:
        assert session.scalars(sa.select(OfferingVersion.number)).all() == [1, 2]
    life.stage.work()
    decided = altered.change_row(life, change)
    assert len(altered.rounds(life)) == (1 if decided.is_material else 0)


def test_com_2_orders_against_a_change_are_on_one_version_or_refused(db: Database) -> None:
    life = altered.held(db, 300_000, fields={"maximum_minor": 2_400_000})
    change, old = altered.propose(life, price_micro=400_000), altered.terms_of(life)
    rivals = [life.stage.person("investor", f"Rival {n}") for n in range(6)]
    results = at_once([
        *[lambda who=who: life.stage.commit(who, life.offering_id, 60_000) for who in rivals],
        lambda: altered.decide(life, change, work=False),
    ])
    life.stage.work()
    asked = {row.commitment_id: row.from_number for row in altered.rounds(life)}
    with db.read() as session:
        rows = session.scalars(sa.select(Commitment)).all()
    made = [each for each in results[:6] if str(each).startswith("com_")]
    assert len(made) + results.count("terms_changed") == 6
    assert len(rows) == 1 + len(made)
    # Whoever came before is bound to the old version and is asked; whoever came after is on the new one and is not.
    assert {row.id for row in rows if row.version_number == 1} == set(asked)
    assert {row.price_micro for row in rows if row.version_number == 2} <= {400_000}
    assert altered.terms_of(life) != old


def test_off_8_an_answer_against_silence_at_the_last_second_has_one_winner(db: Database) -> None:
    life = altered.held(db, 300_000, 100_000)
    altered.changed(life, price_micro=600_000)
    altered.reconfirm(life, 0)
    row = altered.rounds(life)[1]
    assert row.due_at is not None
    db.unit_of_work(
        lambda s: clock.advance(
            s, seconds=(row.due_at - life.stage.now) // dt.timedelta(seconds=1) - 1, allowed=True)
    )
    just_before, just_after = row.due_at - dt.timedelta(seconds=1), row.due_at + dt.timedelta(seconds=1)
    terms = altered.terms_of(life)

    def answer() -> None:
        altered.reconfirm(life, 1, terms_hash=terms, now=just_before)

    def silence() -> None:
        db.unit_of_work(lambda s: reconfirm_rounds.let_silence_end(s, row.change_id, now=just_after))

    results = at_once([answer, answer, silence])
    status = altered.commitment(life, 1).status
    answers = [each.answer for each in altered.rounds(life)]
    if status == "held":
        assert answers == ["confirmed", "confirmed"]
        assert results == [None, None, None]
        assert altered.commitment(life, 1).amount_minor == 99_960
    else:
        assert (status, answers) == ("cancelled", ["confirmed", "silent"])
        assert results == ["nothing_to_reconfirm", "nothing_to_reconfirm", None]
    life.stage.work()


def test_com_1_ten_double_clicks_reconfirm_once(db: Database) -> None:
    life = altered.held(db, 300_000)
    altered.changed(life, price_micro=700_000)
    terms = altered.terms_of(life)

    def click() -> str:
        try:
            return db.unit_of_work(
                lambda s: reconfirming.reconfirm(
                    s, actor=life.investors[0], commitment_id=life.commitments[0], terms_hash=terms, key="one-form",
                    now=life.stage.now,
                )
            ).public_id
        except MilestakeError as error:
            return error.code

    assert set(at_once([click] * 10)) == {life.commitments[0]}
    assert altered.commitment(life, 0).amount_minor == 299_950
    assert [row.answer for row in altered.rounds(life)] == ["confirmed"]
