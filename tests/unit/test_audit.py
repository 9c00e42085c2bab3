"""Every change of state leaves an entry that cannot be altered unseen (PPL-5, PPL-6)."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.accounts.actor import SYSTEM, Actor
from app.audit import queries, service
from app.audit.models import LogEntry
from app.db import Database

NOW = dt.datetime(2027, 3, 4, 9, 0, tzinfo=dt.UTC)


@pytest.mark.tampers  # the entry tells of an object that does not exist
def test_ppl_5_an_entry_says_who_what_which_before_after_why(db: Database) -> None:
    db.unit_of_work(
        lambda s: service.record(
            s,
            actor=Actor(user_id=7),
            action="offering.approved",
            object_id="off_1",
            now=NOW,
            before={"state": "in_review"},
            after={"state": "approved", "maximum_minor": 2**60},
            reason="Papers are complete.",
        )
    )
    db.unit_of_work(
        lambda s: service.record(s, actor=SYSTEM, action="refunds.opened", object_id="off_1", now=NOW, count=4000)
    )
    with db.read() as session:
        first, second = queries.entries_of(session, "off_1")
        assert queries.altered_entries(session) == []
    assert (first.actor_user_id, first.action, first.at) == (7, "offering.approved", NOW)
    assert first.before == '{"state":"in_review"}'
    assert queries.values_of(first.after) == {"state": "approved", "maximum_minor": str(2**60)}
    assert first.reason == "Papers are complete."
    assert (second.actor_user_id, second.row_count) == (None, 4000)


@pytest.mark.parametrize("statement", [sa.update(LogEntry).values(reason="other"), sa.delete(LogEntry)])
def test_ppl_5_entries_are_never_changed(db: Database, statement: sa.Executable) -> None:
    db.unit_of_work(lambda s: service.record(s, actor=SYSTEM, action="a.b", object_id="x_1", now=NOW))
    with pytest.raises(DBAPIError):
        db.unit_of_work(lambda s: s.execute(statement))
    with db.read() as session:
        assert [row.reason for row in queries.entries_of(session, "x_1")] == [None]


def test_a_hash_shows_an_altered_entry() -> None:
    entry = LogEntry(
        at=NOW, actor_user_id=7, action="a.b", object_id="x_1", before=None, after=None, reason="r", row_count=None
    )
    before = service.content_hash(entry)
    assert before == service.content_hash(entry)
    entry.reason = "s"
    assert service.content_hash(entry) != before


@pytest.mark.databases("sqlite")
def test_ppl_6_objects_do_not_slip_into_the_log(db: Database) -> None:
    with pytest.raises(TypeError):
        db.unit_of_work(
            lambda s: service.record(s, actor=SYSTEM, action="a.b", object_id="x", now=NOW, after={"a": b"x"})
        )
