"""The self-check finds every tampering: with the triggers gone, one unit changed in any row of the money world.

Every whole number is raised and lowered by one, every state set to each other state, every flag and hash turned,
and rows are deleted and doubled. What the database itself refuses (constraints stay) is found as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import selfcheck
from app.db import Database
from app.ledger import triggers
from app.models import metadata
from milestones import states
from tests.factories.books import full_books

pytestmark = pytest.mark.tampers

#: Tables that are not the money world, and why tampering with them loses nobody's money or tokens.
OUTSIDE = {
    "party": "names; rows point at it by foreign keys",
    "user_account": "sign-ins",
    "invitation": "sign-ins",
    "recovery_code": "sign-ins",
    "setup_token": "sign-ins",
    "investor_declaration": "what people said of themselves; each decision keeps its own figures",
    "understanding_attempt": "who answered what; it lets new commitments in and moves no money",
    "acknowledgement": "which wording was confirmed; the commitment carries the hash itself",
    "verification": "who people are; it lets new commitments in and moves no money",
    "identity_document": "papers of people",
    "complaint": "what people are unhappy with",
    "complaint_mail": "answers to people without an account",
    "notice": "what people were told of facts that stand elsewhere",
    "notice_preference": "what people want to be told",
    "outbox": "what is still to be told or done; handlers read the facts again",
    "job_failure": "when a failed job is tried again",
    "idempotency_key": "which forms were sent; the places they take are counted by constraints",
    "rate_limit": "how often somebody tried",
    "demo_clock": "pretend time of a sandbox",
    "rail_event": "what a rail reported, raw; what counts is asked of the rail again",
    "auditor_profile": "what auditors say of themselves; it decides who stands in the next draw and moves no money",
    "declared_conflict": "what auditors say of themselves; the log keeps it, and draws keep what followed",
    "rail_cursor": "how far a rail was asked; asking again changes nothing",
    "sandbox_transfer": "the pretend provider's own books, compared with ours by reconciliation",
    "sandbox_dispute": "the pretend provider's own books",
    "sandbox_event": "the pretend provider's own books",
    "sandbox_feed": "the turns of the pretend provider's writers",
    "sandbox_line": "the pretend provider's own books",
    "link_fact": "what parties have in common, as hashes; what follows from it are the links, which are checked",
    "amendment_comment": "what auditors say of a proposal",
    "amendment_seat": "who was asked for a seat; the seats themselves are checked",
    "payer_report": "what a rail told of who paid, erasable; what followed from it are receipts and statuses",
}

#: Columns that cannot matter, and why.
CANNOT_MATTER = {
    ("*", "id"): "a name for a row; what points at it breaks",
    ("account", "id"): "a name for a row",
    ("operation", "attempts"): "counts how often the rail was asked, for the pauses between",
    ("operation", "fence"): "numbers the leases that workers hold for seconds",
    ("operation", "events_heard"): "marks that the rail must be asked once more",
    ("operation", "events_applied"): "marks that the rail must be asked once more",
    ("submission", "reminders"): "how often silent auditors were reminded in this round",
    ("terms_version", "published_by"): "the log keeps who launched; nothing follows from it",
}

#: What entries of the log tell of tables that are outside: (how their actions begin, which table).
TOLD_OF_OUTSIDE = {"verification.": "verification", "investor.": "investor_declaration"}

#: Rows of a table are not alike: so many of them, spread over the table, are tampered with.
ROWS = {"sqlite": 3, "postgresql": 1}
HASHES = {"content_hash", "contract_hash", "manifest_hash", "sha256"}
MONEY_WORLD = [table for table in metadata.sorted_tables if table.name not in OUTSIDE]

#: (table, column) → every state it can be in.
VALUES = {
    ("offering", "state"): states.states_of("offering"),
    ("milestone", "state"): states.states_of("milestone"),
    ("commitment", "status"): (
        "awaiting_payment", "underpaid", "clearing", "payment_failed", "held", "expired", "cancelled", "reversed",
        "lapsed",
    ),
    ("halt", "state"): ("open", "voting", "ended"),
    ("early_close", "state"): ("announced", "taken", "void", "dropped"),
    ("end_call", "state"): ("gathering", "put", "lapsed"),
    ("report", "state"): ("due", "filed", "missed", "ended"),
    ("report_countdown", "state"): ("running", "ended"),
    ("challenge", "state"): ("open", "fallen", "disputed", "dropped"),
    ("dispute", "state"): ("panel", "vote", "decided"),
    ("dispute", "cause"): ("challenge", "appeal", "second_review", "withdrawal"),
    ("dispute", "outcome"): ("met", "partly", "not_met", "undecided", "dropped"),
    ("dispute_seat", "state"): ("seated", "signed", "replaced"),
    ("poll", "state"): ("open", "decided"),
    ("poll", "kind"): ("halt", "shortfall"),
    ("poll_answer", "choice"): ("yes", "no"),
    ("refund", "status"): ("open", "sending", "done", "failed", "unclaimed"),
    ("payout", "status"): ("waiting", "reserved", "sending", "paid", "set_off"),
    ("reversal", "state"): ("open", "won", "lost"),
    ("reversal", "kind"): ("dispute", "return"),
    ("reversal", "outcome"): ("won", "withdrawn", "lost", "silence"),
    ("issuer_claim", "state"): ("open", "settled", "given_up", "won_back"),
    ("receipt", "status"): ("waiting", "doubted", "open", "applied", "returned"),
    ("commitment_link", "status"): ("stands", "contested", "upheld", "lifted"),
    ("carried_share", "status"): ("carried", "released", "void"),
    ("submission", "status"): ("draft", "discarded", "received", "decided"),
    ("submission", "verdict"): ("met", "not_met"),
    ("appointment", "state"): ("appointed", "accepted", "declined", "lapsed", "recused", "struck", "replaced"),
    ("operation", "state"): (
        "created", "sending", "unknown", "pending", "action_required", "succeeded", "failed", "cancelled",
        "needs_operator",
    ),
    ("operation", "kind"): ("collect", "credit", "refund", "payout"),
    ("operation_effect", "effect"): ("cleared", "returned", "done", "bounced"),
    ("offering_change", "state"): ("proposed", "effective", "declined", "taken_back", "ended_offering"),
    ("offering_change", "kind"): ("terms", "update"),
    ("offering_update", "kind"): ("progress", "money", "material"),
    ("reconfirmation", "answer"): ("confirmed", "cancelled", "silent", "superseded", "ended"),
    ("escrow_statement", "kind"): (
        "paid", "released", "returned", "cancelled", "reversed", "cut", "repriced_out", "repriced", "disputed",
        "restored", "taken_back",
    ),
    ("waiting_entry", "status"): states.states_of("waiting_entry"),
    ("offering", "allotment"): ("first_come", "pro_rata"),
    ("register_entry", "kind"): ("issued", "cancelled"),
    ("release", "kind"): ("released", "returned"),
    ("journal", "kind"): ("payment_cleared", "released", "refund_done", "given_back"),
    ("account", "side"): ("debit", "credit"),
}
#: States that only differ in what is waited for: while an operation is undecided nothing follows from which.
ALIKE = {("refund", "status"): {frozenset({"open", "failed"})}}


def tampered_columns(table: sa.Table) -> list[sa.Column]:
    """Return the columns of a table that are tampered with."""
    return [
        column for column in table.columns
        if (isinstance(column.type, sa.Integer | sa.Boolean) or column.name in HASHES
            or (table.name, column.name) in VALUES)
        and not column.primary_key and (table.name, column.name) not in CANNOT_MATTER
    ]


def tamperings(table: sa.Table, column: sa.Column, value: object, number: int) -> Iterator[object]:
    """Yield what the value is changed to: in the first row to each other state, in the others to one of them."""
    if isinstance(column.type, sa.Boolean):
        yield not value
    elif column.name in HASHES:
        if isinstance(value, str) and value:
            yield ("0" if value[0] != "0" else "1") + value[1:]
    elif (table.name, column.name) in VALUES:
        alike = ALIKE.get((table.name, column.name), set())
        others = [
            other for other in VALUES[table.name, column.name]
            if other != value and frozenset({other, value}) not in alike
        ]
        yield from others if number == 0 else others[number % len(others) :][:1]
    else:
        yield 1 if value is None else value + (1 if number % 2 == 0 else -1)


def sample(connection: sa.Connection, table: sa.Table, count: int) -> list[sa.Row]:
    """Return ``count`` rows spread over the table, the first and the last among them."""
    key = next(iter(table.primary_key))
    query = sa.select(key).order_by(key)
    if table.name == "log_entry":
        query = query.where(*(table.c.action.not_like(f"{each}%") for each in TOLD_OF_OUTSIDE))
    keys = connection.execute(query).scalars().all()
    step = max(1, (len(keys) - 1) // max(1, count - 1))
    chosen = [*keys[::step][: count - 1], keys[-1]] if count > 1 and keys else keys[-1:]
    return connection.execute(sa.select(table).where(key.in_(chosen)).order_by(key)).all()


def is_found(connection: sa.Connection, change: Callable[[], object]) -> bool:
    """Make a change, say whether the database refused it or the check found it, and undo it."""
    point = connection.begin_nested()
    try:
        change()
    except DBAPIError:
        return True
    else:
        with Session(bind=connection, join_transaction_mode="create_savepoint", autoflush=False) as session:
            return next(selfcheck.problems(session), None) is not None
    finally:
        point.rollback()


@pytest.fixture
def books(db: Database) -> Iterator[sa.Connection]:
    """Give a connection to full books, found whole, in a transaction that is never committed."""
    full_books(db)
    with db.engine.connect() as connection, connection.begin() as transaction:
        triggers.remove(connection)
        with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
            assert selfcheck.run(session) == []
        yield connection
        transaction.rollback()


def test_each_single_unit_tampering_is_found(books: sa.Connection) -> None:
    missed, covered = [], []
    for table in MONEY_WORLD:
        rows = sample(books, table, ROWS[books.dialect.name])
        assert rows, f"the books hold no {table.name} to tamper with"
        key = next(iter(table.primary_key))
        for column in tampered_columns(table):
            covered.append(f"{table.name}.{column.name}")
            for number, row in enumerate(rows):
                identity, value = row._mapping[key.name], row._mapping[column.name]
                for changed in tamperings(table, column, value, number):
                    update = sa.update(table).where(key == identity).values({column.name: changed})
                    if not is_found(books, lambda update=update: books.execute(update)):
                        missed.append(f"{table.name}.{column.name} of {identity}: {value} to {changed}")
    print(f"{len(covered)} columns tampered with: {', '.join(covered)}")
    assert not missed, f"{len(missed)} not found:\n" + "\n".join(missed)


def test_each_row_taken_out_or_put_in_twice_is_found(books: sa.Connection) -> None:
    missed = []
    for table in MONEY_WORLD:
        key = next(iter(table.primary_key))
        for row in sample(books, table, ROWS[books.dialect.name]):
            identity = row._mapping[key.name]
            delete = sa.delete(table).where(key == identity)
            if not is_found(books, lambda delete=delete: books.execute(delete)):
                missed.append(f"{table.name} {identity} deleted")
            if not is_found(books, lambda table=table, row=row: double(books, table, row)):
                missed.append(f"{table.name} {identity} doubled")
    assert not missed, "\n".join(missed)


def double(connection: sa.Connection, table: sa.Table, row: sa.Row) -> None:
    """Insert a row once more, with a new id and, where it has one, a new public id and key."""
    values = dict(row._mapping)
    key = next(iter(table.primary_key)).name
    values[key] = connection.execute(sa.select(sa.func.max(table.c[key]))).scalar_one() + 1
    for unique in ("public_id", "key", "slug", "code"):
        if unique in values:
            values[unique] = f"{values[unique]}2"
    connection.execute(sa.insert(table).values(values))


def test_every_table_is_in_the_money_world_or_said_not_to_be() -> None:
    assert {*OUTSIDE, *TOLD_OF_OUTSIDE.values()} <= {table.name for table in metadata.sorted_tables}
    assert set(TOLD_OF_OUTSIDE.values()) <= set(OUTSIDE)
    named = {table.name for table in MONEY_WORLD}
    assert {table for table, _column in CANNOT_MATTER} - {"*"} <= named
