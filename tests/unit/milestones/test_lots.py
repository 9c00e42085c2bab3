"""MIL-9: a draw by lot that anybody can recompute, and nobody can bend."""

from __future__ import annotations

import collections
import hashlib
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milestones import lots

SEED = "5f" * 32
CONTEXT = "panel/off_7k/m1/1/abc"
NAMES = ["pty_a", "pty_b", "pty_c", "pty_d", "pty_e"]


def test_mil_9_the_draw_is_sha_256_of_three_lines_and_nothing_else() -> None:
    drawn = lots.order(SEED, CONTEXT, NAMES)
    by_hand = {name: hashlib.sha256(f"{SEED}\n{CONTEXT}\n{name}".encode()).hexdigest() for name in NAMES}
    assert [ticket.candidate for ticket in drawn] == sorted(NAMES, key=lambda name: by_hand[name])
    assert [ticket.candidate for ticket in drawn] == ["pty_d", "pty_e", "pty_c", "pty_b", "pty_a"]
    assert lots.commitment(SEED) == "ce63c4ebf143f2aade4d14b4e5d941832c7af9ef9a000df459c9b6a07f155486"


def test_mil_9_a_shell_recomputes_a_rank_and_a_commitment_as_the_page_says() -> None:
    shell = f"printf '%s\\n%s\\n%s' {SEED} {CONTEXT} pty_a | sha256sum; printf %s {SEED} | sha256sum"
    lines = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout.split()
    assert (lines[0], lines[2]) == (lots.rank(SEED, CONTEXT, "pty_a"), lots.commitment(SEED))


@given(st.permutations(NAMES))
def test_mil_9_the_order_in_which_candidates_are_listed_changes_nothing(names: list[str]) -> None:
    assert lots.order(SEED, CONTEXT, names) == lots.order(SEED, CONTEXT, NAMES)


@given(st.integers(0, 2**64), st.sampled_from(NAMES))
def test_mil_9_taking_a_candidate_out_moves_nobody_past_another(number: int, leaving: str) -> None:
    context = f"panel/{number}"
    rest = [name for name in NAMES if name != leaving]
    whole = [ticket for ticket in lots.order(SEED, context, NAMES) if ticket.candidate != leaving]
    assert list(lots.order(SEED, context, rest)) == whole


def test_mil_9_every_candidate_has_the_same_chance() -> None:
    first = collections.Counter(lots.order(SEED, f"panel/{n}", NAMES)[0].candidate for n in range(5_000))
    assert set(first) == set(NAMES) and all(900 < count < 1_100 for count in first.values())


@pytest.mark.parametrize(
    ("seed", "context", "names", "code"),
    [
        ("5F" * 32, CONTEXT, NAMES, "seed_malformed"),
        ("5f" * 31, CONTEXT, NAMES, "seed_malformed"),
        (SEED, "", NAMES, "draw_malformed"),
        (SEED, "two\nlines", NAMES, "draw_malformed"),
        (SEED, CONTEXT, ["pty_a", "pty_\n"], "draw_malformed"),
        (SEED, CONTEXT, ["pty_a", "pty_a"], "candidate_repeated"),
    ],
)
def test_mil_9_a_malformed_draw_is_refused(seed: str, context: str, names: list[str], code: str) -> None:
    with pytest.raises(lots.DrawError) as refused:
        lots.order(seed, context, names)
    assert refused.value.code == code


def test_mil_9_verifying_finds_each_way_to_cheat() -> None:
    drawn = lots.order(SEED, CONTEXT, NAMES)
    lots.verify(SEED, lots.commitment(SEED), CONTEXT, drawn)
    other = "60" * 32
    for seed, published, context, tickets, code in (
        (other, lots.commitment(SEED), CONTEXT, lots.order(other, CONTEXT, NAMES), "seed_not_committed"),
        (SEED, lots.commitment(SEED), "panel/off_7k/m2", drawn, "rank_wrong"),
        (SEED, lots.commitment(SEED), CONTEXT, (drawn[1], drawn[0], *drawn[2:]), "order_wrong"),
        (SEED, lots.commitment(SEED), CONTEXT, (lots.Ticket("pty_z", drawn[0].rank), *drawn[1:]), "rank_wrong"),
    ):
        with pytest.raises(lots.DrawError) as refused:
            lots.verify(seed, published, context, tickets)
        assert refused.value.code == code


def test_mil_8_auditors_who_share_something_never_sit_together() -> None:
    shared = {"a": {"firm x"}, "b": {"firm x", "street"}, "c": {"street"}, "d": set()}
    ties = {name: frozenset(each) for name, each in shared.items()}
    assert lots.seated(["a", "b", "c", "d"], 3, ties) == ("a", "c", "d")
    assert lots.seated(["b", "a", "c", "d"], 3, ties) == ("b", "d")
    assert lots.seated(["c", "d", "a"], 1, ties, frozenset({"street"})) == ("d",)
    assert lots.seated(["a"], 0, ties) == ()


def test_mil_15_a_tenth_of_approvals_is_sampled() -> None:
    drawn = sum(lots.is_sampled(SEED, f"second/{n}", "sub_1", 1_000) for n in range(10_000))
    assert 900 < drawn < 1_100
    assert lots.is_sampled(SEED, "x", "y", 10_000) and not lots.is_sampled(SEED, "x", "y", 0)
