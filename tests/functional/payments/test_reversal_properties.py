"""Any order of releases, disputes, wins, losses and an end: everybody's cents and tokens add up (WND-4, REL-3).

Whatever a rail takes of one payment, nobody else's money and tokens move, and each payer's own sum to what they paid.
"""

from __future__ import annotations

import random

import hypothesis
import pytest
from hypothesis import strategies as st

from app.commitments.models import Refund
from app.db import Database
from app.payments import standing
from milestones.money import Asset, tokens_for
from tests.factories import life as lives
from tests.functional import figures
from tests.functional.payments.court import Court, Figures, running

AMOUNTS = (100_000, 150_000, 133_350)
USD, PRICE_MICRO = Asset.parse("USD/2"), 500_000
OUTCOMES = ("won", "lost", "withdrawn")
ACTS = 10


def spent(court: Court, number: int) -> int:
    """Return where a payment is by everything that is written of it: it must be what was paid, to the cent."""
    commitment = court.commitment(court.life.commitments[number])
    unreleased, released, _issued, _entitled = figures.position(court.life, number)
    back = sum(
        each.amount_minor for each in court.read(lambda session: session.query(Refund).filter(
            Refund.commitment_id == commitment.id, Refund.reason != standing.RETURNED_BY_THE_BANK
        ).all())
    )
    gone = 0
    for row in court.reversals():
        if row.commitment_id == commitment.id and row.state != "won":
            gone += row.escrow_minor + row.owed_minor + row.set_off_minor + row.claim_minor
    return unreleased + released + back + gone


def act(court: Court, rng: random.Random, open_refs: list[str]) -> int | None:
    """Let one thing happen that can; return whose payment it was, None for what concerns everybody."""
    stage, life = court.life.stage, court.life
    if open_refs and rng.random() < 0.4:
        ref = open_refs.pop(rng.randrange(len(open_refs)))
        row = next(each for each in court.reversals() if each.ref == ref)
        court.decide(ref, rng.choice(OUTCOMES))
        return [court.commitment(each).id for each in life.commitments].index(row.commitment_id)
    is_active = court.offering().state == "active"
    due = [each.ordinal for each in stage.milestones(life.offering_id) if each.state == "open"]
    if is_active and due and rng.random() < 0.2:
        lives.released(life, due[0])
        return None
    if is_active and rng.random() < 0.1:
        figures.resign(life)
        stage.work()
        return None
    whose = rng.randrange(3)
    amount = rng.choice((AMOUNTS[whose], rng.randint(1, AMOUNTS[whose] // 2)))
    ref = court.rail.open_dispute(court.payment(life.commitments[whose]).provider_ref or "", amount)
    if ref is not None:
        open_refs.append(ref)
        court.hear()
    return whose


@hypothesis.settings(
    max_examples=3, deadline=None, derandomize=True, phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
    suppress_health_check=list(hypothesis.HealthCheck),
)
@hypothesis.given(st.integers(0, 2**32))
def _play(db: Database, seed: int) -> None:
    court, rng = running(db, *AMOUNTS, float_minor=2_000_000), random.Random(seed)
    open_refs: list[str] = []
    before = court.figures()
    for _step in range(ACTS):
        whose = act(court, rng, open_refs)
        after: list[Figures] = court.figures()
        for number, (was, is_) in enumerate(zip(before, after, strict=True)):
            if whose is not None and number != whose:
                assert is_ == was, f"what happened to {whose} moved what is {number}'s"
            unreleased, released, issued, entitled = is_
            assert min(is_) >= 0 and issued <= entitled <= tokens_for(unreleased + released, PRICE_MICRO, USD)
            assert spent(court, number) == AMOUNTS[number]
        before = after
    assert court.rail_agrees()


@pytest.mark.databases("sqlite")  # the figures are the same sums on both, and the rules' own tests run on both
def test_wnd_4_whatever_a_rail_takes_of_one_payment_nobody_elses_money_or_tokens_move(db: Database) -> None:
    _play(db)
