"""What rails report: repeated, late, out of order, unheard of. Order and repeats do not matter."""

from __future__ import annotations

import json

import sqlalchemy as sa

from app.audit import queries as log
from app.payments import ports, service
from app.payments.models import Operation, RailEvent
from tests.functional.payments.conftest import Till

PAID = {"cash:sandbox:O": 500_000, "escrow:O": 500_000}


# -- 4 and 5: events ----------------------------------------------------------------------------------


def test_fault_4_the_same_event_five_times_posts_once(till: Till) -> None:
    commitment_id = till.invest("bank_2d")
    till.skip(days=3)
    notifications, cursor = till.rail.poll_events(0)
    heard = [
        till.act(
            lambda session, now: service.hear_events(session, "sandbox", list(notifications), cursor, now=now)
        )
        for _time in range(5)
    ]
    assert heard == [2, 0, 0, 0, 0]
    till.work()
    assert till.journals("payment_cleared") == [{"cash:sandbox:O": 500_000, "escrow:O": -500_000}]
    stored = till.read(lambda session: session.scalars(sa.select(RailEvent.event_id)).all())
    assert sorted(stored) == sorted(each.event_id for each in notifications)
    assert till.commitment(commitment_id).status == "held"


def test_fault_4_events_out_of_order_and_heard_days_late_end_in_the_same_books(till: Till) -> None:
    till.invest("returned_5d")
    till.skip(days=9)
    notifications, cursor = till.rail.poll_events(0)
    assert [each.type for each in notifications] == ["collect.cleared", "collect.returned"]
    for each in reversed(notifications):
        till.act(lambda session, now, each=each: service.hear_events(session, "sandbox", [each], cursor, now=now))
        till.work("refresh_operations")
    assert till.balances() == {}
    assert len(till.journals("payment_returned")) == 1
    assert till.rail_agrees()


def test_fault_4_an_older_answer_after_a_newer_one_changes_nothing(till: Till) -> None:
    operation = till.payment(till.invest("returned_5d"))
    till.pass_time(days=5)
    before = till.balances()
    first = ports.Effect(ports.CLEARED, 500_000, operation.created_at)
    for outcome in (ports.Pending("sbx"), ports.Rejected("x", "No."), ports.Unknown("?"), ports.Done("sbx", (first,))):
        till.db.unit_of_work(
            lambda session: session.execute(sa.update(Operation).values(events_heard=Operation.events_heard + 1))
        )
        heard = till.operation(operation.id).events_heard
        till.act(
            lambda session, now, outcome=outcome, heard=heard: service.apply_event(
                session, operation.id, heard, outcome, now=now
            )
        )
        assert till.operation(operation.id).state == "succeeded"
        assert till.balances() == before


def test_fault_4_an_event_during_the_fetch_leaves_the_mark_standing(till: Till) -> None:
    operation = till.payment(till.invest("bank_2d"))
    till.work()
    heard = till.operation(operation.id).events_heard
    till.db.unit_of_work(lambda session: session.execute(sa.update(Operation).values(events_heard=heard + 2)))
    outcome = ports.Pending("sbx")
    till.act(lambda session, now: service.apply_event(session, operation.id, heard + 1, outcome, now=now))
    marked = till.operation(operation.id)
    assert marked.events_applied < marked.events_heard


def test_fault_5_an_object_we_do_not_know_posts_nothing_and_is_logged(till: Till) -> None:
    fields = {"operation": "opn_strange", "epoch": 1, "kind": "collect", "offering": "off_strange",
              "amount_minor": 5, "asset": "USD/2", "method": "instant", "source_ref": None}
    till.rail.collect(ports.FrozenRequest("opn_strange", "collect", "sandbox", 1, json.dumps(fields)))
    till.invest()
    till.work()
    assert till.balances() == PAID
    entries = till.read(lambda session: log.latest_entries(session, action="rail.object_unknown"))
    assert len(entries) == 1
