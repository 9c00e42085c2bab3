"""Replays on both databases: a made-up file with every kind of end, and a sample of the real contracts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import replay
from app.contracts.models import Milestone, TermsVersion
from app.db import Database
from app.offerings.models import Offering
from app.payments.models import Operation
from app.replay import fates, records
from tests.factories.life import settings_for
from tests.replay.test_fates import evaluation, line, milestone

#: All of them take minutes: `make replay` does that.
SAMPLE = 5


def outcomes(db: Database) -> dict[str, str]:
    with db.read() as session:
        return dict(session.execute(sa.select(Offering.name, Offering.state)).all())


def named(name: str, text: str) -> str:
    return json.dumps({**json.loads(text), "id": name, "project": name})


def test_every_kind_of_end_is_reached_and_the_books_are_whole(db: Database, tmp_path: Path) -> None:
    met = [evaluation(35, "accepted")]
    file = tmp_path / "contracts.jsonl"
    file.write_text("\n".join([
        named("Done", line(milestone(1, evaluations=met), milestone(2, "999.99"), completed=True)),
        named("Stopped", line(milestone(1, "0.3", evaluations=met), milestone(2, "0.15"), currency="BTC")),
        named("Resigned", line(milestone(1), milestone(2), currency="EUR", terminated=True)),
        named("Rejected", line(milestone(1, evaluations=[evaluation(40, "rejected", accepted=0)]), currency="DAI")),
    ]), encoding="utf-8")
    said: list[str] = []

    assert replay.run(db, settings_for(db), file, said.append, seed=7), "\n".join(said)
    assert outcomes(db) == {
        "Done": "completed", "Stopped": "wound_down", "Resigned": "wound_down", "Rejected": "wound_down",
    }
    text = "\n".join(said)
    assert "4 contracts of contracts.jsonl, seed 7." in text
    assert "cents in = cents out + cents held in every currency" in text
    assert "Ledger check: nothing found." in text
    with db.read() as session:
        methods = set(session.scalars(sa.select(Operation.method).where(Operation.kind == "collect").distinct()))
    assert {"instant", "bank_2d", "fee_card", "declined"} <= methods


@pytest.mark.databases("sqlite")
def test_mil_13_mil_10_what_was_amended_and_who_disagreed_is_played_too(db: Database, tmp_path: Path) -> None:
    split = [evaluation(90, "accepted", "E07"), evaluation(91, "in_progress", "E08", 0, 3)]
    file = tmp_path / "contracts.jsonl"
    longer = json.loads(line(milestone(1, "600", 90, evaluations=split), milestone(2, "400"), completed=True))
    sooner = json.loads(line(milestone(1, "900"), milestone(2, "100"), completed=True))
    first = {"milestones": [{"number": 1, "cost": "600", "days": 30}, {"number": 2, "cost": "400", "days": 30}]}
    rejected = line(milestone(1, evaluations=[evaluation(90, "rejected", accepted=0)]), *(
        milestone(number, evaluations=[evaluation(90, "rejected", f"E{20 + number}", accepted=0)])
        for number in (2, 3, 4, 5)
    ))
    file.write_text("\n".join([
        named("Longer", json.dumps({**longer, "as_accepted": first})),
        named("Sooner", json.dumps({**sooner, "as_accepted": first})),
        named("Rejected", rejected),
    ]), encoding="utf-8")
    said: list[str] = []

    assert replay.run(db, settings_for(db), file, said.append, seed=7), "\n".join(said)
    assert outcomes(db) == {"Longer": "completed", "Sooner": "completed", "Rejected": "wound_down"}
    text = "\n".join(said)
    assert "2  amendments recorded (refused: 1 amendment too soon)" in text
    assert "1  proposed (1 effective; 1 adverse)" in text
    assert "1  split panels" in text
    assert "1  challenges (1 disputed)" in text
    assert "2  disputes (1 by appeal: not_met, 1 by challenge: met)" in text
    with db.read() as session:
        versions = session.scalar(sa.select(sa.func.max(TermsVersion.number)))
        shares = session.execute(
            sa.select(Offering.name, Milestone.tranche_bp).join(Offering, Offering.id == Milestone.offering_id)
            .where(Milestone.ordinal == 1, Offering.name != "Rejected").order_by(Offering.name)
        ).all()
    assert versions == 2
    # What breaks the cap of ten points is refused, and the plan goes on in the terms in force.
    assert [tuple(each) for each in shares] == [("Longer", 6_000), ("Sooner", 6_000)]


def sample(file: Path) -> list[str]:
    """Return a few lines of a file: the first of each kind of end and of each currency, then others evenly."""
    lines = [text for text in file.read_text(encoding="utf-8").splitlines() if text.strip()]
    chosen: dict[tuple[str, ...], str] = {}
    for found, text in zip(records.read(file), lines, strict=True):
        course = fates.fates_of(found, ["E01"], fates.Counter())
        for kind in ("currency", found.currency), ("end", course[-1].end), ("first", course[0].end):
            if kind not in chosen and text not in chosen.values():
                chosen[kind] = text
                break
    return [*chosen.values(), *lines[:: max(1, len(lines) // SAMPLE)]][:SAMPLE]


@pytest.mark.replay
def test_a_sample_of_the_real_contracts_ends_with_every_book_balanced(
    db: Database, real_data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "sample.jsonl"
    file.write_text("\n".join(sample(real_data / "milestone_contracts.jsonl")), encoding="utf-8")
    said: list[str] = []
    assert replay.run(db, settings_for(db), file, said.append), "\n".join(said)
    assert set(outcomes(db).values()) == {"completed", "wound_down"}
