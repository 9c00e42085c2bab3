"""The tables of states are closed and consistent, and every waiting state says what it waits for (TIM-5)."""

import pytest

from milestones import states
from milestones.states import (
    COMMITMENT_TRANSITIONS,
    MILESTONE_TRANSITIONS,
    OFFERING_TRANSITIONS,
    TERMINAL,
    TRANSITIONS,
    WAITING,
    TransitionError,
    next_state,
    states_of,
    waiting_for,
)

TABLES = sorted(TRANSITIONS)
# What product.md §2 and states.md name, for the scope built so far.
EXPECTED_STATES = {
    "offering": {
        "draft", "in_review", "approved", "live", "clearing", "active", "completed", "withdrawing", "withdrawn",
        "failing", "failed", "winding_down", "wound_down",
    },
    "milestone": {
        "locked", "open", "submitted", "challengeable", "suspended", "disputed", "appealable", "approved", "deciding",
        "partly_released", "retained", "report_due", "released", "failed", "lapsed",
    },
    "commitment": {
        "awaiting_payment", "underpaid", "clearing", "payment_failed", "held", "allotted", "fulfilled",
        "part_fulfilled", "expired", "cancelled", "disputed", "reversed", "refunding", "refunded", "unclaimed",
    },
    "waiting_entry": {"waitlisted", "offered", "accepted", "left", "lapsed"},
}  # fmt: skip


@pytest.mark.parametrize("subject", TABLES)
def test_every_state_of_the_design_is_in_its_table(subject):
    assert set(states_of(subject)) == EXPECTED_STATES[subject]


@pytest.mark.parametrize("subject", TABLES)
def test_an_event_leads_to_one_state_only(subject):
    ways = [(way.from_state, way.event) for way in TRANSITIONS[subject]]
    assert len(ways) == len(set(ways))
    assert all(way.who and way.who <= states.ACTORS for way in TRANSITIONS[subject])


@pytest.mark.parametrize("subject", TABLES)
def test_terminal_states_are_exactly_those_without_a_way_out(subject):
    leaving = {way.from_state for way in TRANSITIONS[subject]}
    assert set(states_of(subject)) - leaving == TERMINAL[subject]


@pytest.mark.parametrize("subject", TABLES)
def test_every_state_can_be_reached_and_can_end(subject):
    table = TRANSITIONS[subject]
    reached = {table[0].from_state}
    for _ in table:
        reached |= {way.to_state for way in table if way.from_state in reached}
    assert reached == set(states_of(subject))
    ending = set(TERMINAL[subject])
    for _ in table:
        ending |= {way.from_state for way in table if way.to_state in ending}
    assert ending == set(states_of(subject))


def test_tim_5_every_waiting_state_has_owner_deadline_and_default():
    for subject in TABLES:
        for state in set(states_of(subject)) - TERMINAL[subject]:
            row = waiting_for(subject, state)
            assert row.owner and row.action and row.deadline_rule and row.default, (subject, state)
    assert len({(row.subject, row.state) for row in WAITING}) == len(WAITING)
    for subject, state in [
        ("operation", "unknown"),
        ("operation", "needs_operator"),
        ("receipt", "unmatched"),
    ]:
        assert waiting_for(subject, state).owner == "operator"
    assert waiting_for("appointment", "appointed").owner == "auditor"


def test_tim_5_no_default_moves_money_to_the_issuer():
    assert {row.moves_money_to for row in WAITING} <= {None, "investors", "nobody"}
    for row in WAITING:
        assert "founder" not in row.default and "company" not in row.default and "issuer" not in row.default


def test_tim_5_the_default_of_a_release_is_not_yet():
    assert waiting_for("milestone", "approved").moves_money_to == "nobody"
    assert waiting_for("milestone", "challengeable").moves_money_to == "nobody"
    assert waiting_for("milestone", "open").moves_money_to == "investors"
    assert waiting_for("offering", "active").moves_money_to == "investors"


def test_tim_5_terminal_states_wait_for_nothing_and_unknown_ones_are_refused():
    assert waiting_for("offering", "completed") is None
    with pytest.raises(LookupError):
        waiting_for("offering", "sleeping")


def test_tim_5_only_a_release_pays_and_only_the_worker_makes_one():
    ways = [way for way in MILESTONE_TRANSITIONS if way.event.startswith("release")]
    assert {(way.from_state, way.to_state) for way in ways} == {
        ("approved", state) for state in ("released", "partly_released", "retained", "report_due")
    }
    assert {way.who for way in ways} == {frozenset({"worker"})}
    others = {way.event for way in MILESTONE_TRANSITIONS if way.to_state == "released"} - {way.event for way in ways}
    assert others == {"report", "part_over"}


def test_ppl_2_no_operator_makes_or_raises_a_verdict():
    for way in MILESTONE_TRANSITIONS:
        if way.to_state == "approved" or "met" in way.event:
            assert "operator" not in way.who


def test_off_4_who_submits_does_not_approve():
    assert next_state(OFFERING_TRANSITIONS, "in_review", "approve", "operator") == "approved"
    with pytest.raises(TransitionError) as refused:
        next_state(OFFERING_TRANSITIONS, "in_review", "approve", "founder")
    assert refused.value.code == "transition_forbidden"


@pytest.mark.parametrize(
    ("table", "state", "event", "who", "code"),
    [
        (OFFERING_TRANSITIONS, "draft", "launch", "founder", "transition_refused"),
        (OFFERING_TRANSITIONS, "live", "launch", "founder", "transition_already"),
        (OFFERING_TRANSITIONS, "completed", "wind_down", "operator", "transition_refused"),
        (MILESTONE_TRANSITIONS, "released", "release", "worker", "transition_already"),
        (MILESTONE_TRANSITIONS, "challengeable", "release", "worker", "transition_refused"),
        (MILESTONE_TRANSITIONS, "challengeable", "window_over", "founder", "transition_forbidden"),
        (COMMITMENT_TRANSITIONS, "allotted", "cancel", "investor", "transition_refused"),
        (COMMITMENT_TRANSITIONS, "held", "cancel", "operator", "transition_forbidden"),
    ],
)
def test_anything_outside_the_table_is_refused(table, state, event, who, code):
    with pytest.raises(TransitionError) as refused:
        next_state(table, state, event, who)
    assert refused.value.code == code
    assert state in refused.value.message


@pytest.mark.parametrize("subject", TABLES)
def test_every_way_is_open_to_those_named_and_to_nobody_else(subject):
    for way in TRANSITIONS[subject]:
        for who in states.ACTORS:
            if who in way.who:
                assert next_state(TRANSITIONS[subject], way.from_state, way.event, who) == way.to_state
            else:
                with pytest.raises(TransitionError):
                    next_state(TRANSITIONS[subject], way.from_state, way.event, who)
