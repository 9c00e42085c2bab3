"""SIGKILL among the writes of a lost dispute, of leaving, of a panel's last signature, of a release in part (TIM-3).

Workers are killed after every fifth write, so that this stays short; each killed worker's own transaction is lost,
and another one does the rest. Whoever acts on a page is one transaction: killed anywhere, nothing of it is there.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable

import pytest

from app.accounts.actor import Actor
from app.db import Database
from app.demo.stage import Stage
from app.progress import panel_signing
from milestones.verdict import Finding
from tests.factories import amendments as amend
from tests.factories import disputes
from tests.factories import life as lives
from tests.factories.life import Life
from tests.faults import processes
from tests.functional import figures
from tests.functional.payments.court import running
from tests.functional.test_parts_rules import agreed, facts
from tests.unchanged import snapshot

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

#: Every so many writes somebody is killed: a worker, and whoever acts on a page.
WORKERS_STEP, ACTORS_STEP, MOST_WRITES = 5, 8, 400


def killed_at_writes(db: Database, url: str, life: Life) -> int:
    """Kill a worker after 1, 6, 11 … writes until one comes through; return how many were killed."""
    db.dispose()
    for kills, writes in enumerate(range(1, MOST_WRITES, WORKERS_STEP)):
        status = processes.in_child(
            lambda writes=writes: processes.work_once(url, life.stage.settings, die_after_writes=writes)
        )
        if status == 0:
            return kills
        assert status == -9
    raise AssertionError("the work never came through")


def killed_while_acting(db: Database, url: str, life: Life, act: Callable[[Life], object]) -> int:
    """Kill whoever acts after 1, 9, 17 … writes, each time with nothing changed, until they come through."""
    before = snapshot(db)
    db.dispose()

    def on(own: Stage) -> object:
        return act(dataclasses.replace(life, stage=own))

    for kills, writes in enumerate(range(1, MOST_WRITES, ACTORS_STEP)):
        status = processes.in_child(
            lambda writes=writes: processes.act_once(url, life.stage.settings, on, die_after_writes=writes)
        )
        if status == 0:
            return kills
        assert status == -9
        assert snapshot(db) == before
        db.dispose()
    raise AssertionError("nobody came through")


def test_wnd_4_a_dispute_lost_after_a_release_survives_kills(db: Database, database_url: str) -> None:
    court = running(db, 100_000, 150_000)
    ref = court.rail.open_dispute(court.payment(court.life.commitments[0]).provider_ref or "", None)
    court.skip(seconds=6)
    kills = killed_at_writes(db, database_url, court.life)
    assert court.figures() == [(0, 20_000, 400, 400), (120_000, 30_000, 600, 3_000)]
    assert court.rail.decide_dispute(ref or "", "lost")
    court.skip(seconds=6)
    kills += killed_at_writes(db, database_url, court.life)
    assert kills >= 6
    court.life.stage.work()
    assert court.split() == {"escrow": 80_000, "claim": 20_000}
    assert court.register(0) == [("issued", 400), ("cancelled", -400)]
    assert [len(court.journals(kind)) for kind in ("dispute_opened", "dispute_lost", "advanced")] == [1, 1, 1]
    assert [each.left_minor for each in court.claims()] == [20_000]


def test_mil_13_leaving_survives_kills(db: Database, database_url: str) -> None:
    life = amend.running(db, amounts=(150_000, 90_000, 60_000))
    amend.propose(life, amend.measure("m2", "1000"))
    amend.vote(life, "nyy")
    assert amend.count(life).state == "leaving"
    kills = killed_while_acting(db, database_url, life, lambda own: amend.leave(own, 0))
    assert kills >= 2
    assert figures.position(life, 0) == (0, 22_500, 450, 450)
    life.stage.work()
    assert figures.refunds(life) == [(1, 127_500, "left", "done")]


def partly(life: Life, juror: Actor, dispute_id: str) -> None:
    """Let a panel member find 70 %: the first criterion met, 40 % of the second."""
    found = [Finding("revenue", "met", 100), Finding("works", "partly", 40)]
    life.stage.db.unit_of_work(lambda session: panel_signing.sign(
        session, actor=juror, dispute_id=dispute_id, findings=found, key=life.stage.key(), now=life.stage.now
    ))


def test_mil_10_a_panels_decision_that_splits_a_tranche_survives_kills(db: Database, database_url: str) -> None:
    life = lives.active(db, document=agreed())
    for number in range(3):
        life.stage.person("auditor", f"Juror {number}", email=f"juror.{life.stage.key()}@panel{number}.example")
    dispute = disputes.disputed(life)
    first, second, third = disputes.members(life, dispute)
    partly(life, first, dispute.public_id)
    partly(life, second, dispute.public_id)
    kills = killed_while_acting(db, database_url, life, lambda own: partly(own, third, dispute.public_id))
    assert kills >= 2
    life.stage.work()
    decided = disputes.newest(life)
    assert (decided.outcome, decided.sum_minor, decided.to_release_minor, decided.returned_minor,
            decided.stays_minor) == ("partly", 114_990, 65_200, 0, 49_790)
    assert facts(disputes.row(life)) == ("partly_released", 70, 65_200, 7_244, 1)
    assert [amount for _kind, amount, *_rest in figures.released(life)] == [57_495, 65_200]


def test_mil_11_a_release_in_part_survives_kills(db: Database, database_url: str) -> None:
    story = lives.active(db, document=agreed())
    milestone = story.stage.milestone(story.offering_id, 1)
    submission = story.stage.submit_evidence(story.founder, milestone.public_id)
    story.stage.sign(story.auditors[0], submission, {"revenue": ("met", 100), "works": ("partly", 40)})
    story.stage.work()
    window = story.stage.milestone(story.offering_id, 1).deadline_at
    assert window is not None
    lives.let_time_pass(story.stage, window)
    assert killed_at_writes(db, database_url, story) >= 6
    assert facts(story.stage.milestone(story.offering_id, 1)) == ("partly_released", 70, 65_200, 7_244, 1)
    released = figures.released(story)
    assert [amount for _kind, amount, *_rest in released] == [57_495, 65_200]
    assert sum(figures.position(story, number)[1] for number in range(3)) == 57_495 + 65_200
