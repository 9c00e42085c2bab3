"""The pretend provider's books: how each kind of transfer comes into being, moves on and is told.

Only ``sandbox.py`` uses this. It knows nothing of our ledger.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import insert_for, public_id
from app.payments import ports, rules, sandbox_disputes
from app.payments.sandbox_models import SandboxEvent, SandboxFeed, SandboxLine, SandboxTransfer

#: Why the provider refuses, in words for people.
FAILURES: Mapping[str, str] = {
    "method_unknown": "The sandbox does not know this method. Choose one from the list.",
    "card_declined": "The card was declined. Nothing was charged; try another method.",
    "debit_failed": "The bank could not make the debit. Nothing was charged; try another method.",
    "source_unknown": "There is no payment to give back.",
    "source_returned": "The bank took this payment back already, so nothing is left to give back.",
    "source_disputed": "Its payer disputes this payment, so it cannot be given back now.",
    "over_refund": "This is more than is left of the payment.",
    "payee_unknown": "There is no such account. The founder must name another one.",
    "account_closed": "The account is closed. The founder must name another one.",
    "refund_bounced": "The refund came back: the account is closed.",
    ports.CANCELLED: "It was cancelled before any money moved.",
}


def take_turn(session: Session) -> None:
    """Wait until no other transaction has events that are not visible yet; every writer of events asks first.

    An event's id is given when it is written and seen when it is committed. Without turns a reader could pass an
    id that somebody commits a moment later, and never hear of it.
    """
    find = sa.select(SandboxFeed.id).where(SandboxFeed.id == 1).with_for_update()
    if session.execute(find).scalar() is None:
        session.execute(insert_for(session, SandboxFeed).values(id=1).on_conflict_do_nothing(index_elements=["id"]))
        session.execute(find)


def new(
    request: ports.FrozenRequest, state: str, now: dt.datetime, failure_code: str | None = None
) -> SandboxTransfer:
    """Make a transfer of a request; :func:`keep` stores it."""
    fields = request.fields
    return SandboxTransfer(
        ref=public_id("sbx"), key=request.key, operation=request.operation, request_hash=request.body_hash,
        kind=request.kind, offering_ref=fields["offering"], source_ref=fields.get("source_ref"),
        method=fields["method"], amount_minor=fields["amount_minor"], fee_minor=0, asset=fields["asset"],
        state=state, due_at=None, failure_code=failure_code, created_at=now, settled_at=None, ended_at=None,
        payer_name=None, payer_account=None, payer_card=None,
    )


def arrived(expected: SandboxTransfer, amount_minor: int, payer: ports.Payer, now: dt.datetime) -> SandboxTransfer:
    """Make the transfer of money that somebody sent under the reference of a collection, whatever became of that."""
    ref = public_id("sbx")
    return SandboxTransfer(
        ref=ref, key=ref, operation=expected.operation, request_hash=expected.request_hash, kind="credit",
        offering_ref=expected.offering_ref, source_ref=expected.ref, method=expected.method,
        amount_minor=amount_minor, fee_minor=0, asset=expected.asset, state="cleared", due_at=None, failure_code=None,
        created_at=now, settled_at=None, ended_at=None, payer_name=payer.name, payer_account=payer.account,
        payer_card=payer.card,
    )


def add(session: Session, transfer: SandboxTransfer) -> SandboxTransfer:
    """Store a transfer that nobody's request made, with its line and event."""
    session.add(transfer)
    session.flush()
    _book(session, transfer, transfer.created_at)
    return transfer


def collected(request: ports.FrozenRequest, method: rules.Method | None, now: dt.datetime) -> SandboxTransfer:
    """Make the transfer of a payment, as its method behaves."""
    if method is None:
        return new(request, "failed", now, "method_unknown")
    transfer = new(request, method.first, now, "card_declined" if method.first == "failed" else None)
    transfer.fee_minor = rules.provider_fee(method, transfer.amount_minor)
    transfer.due_at = now + method.after if method.after is not None else None
    return transfer


def refunded(session: Session, request: ports.FrozenRequest, now: dt.datetime) -> SandboxTransfer:
    """Make the transfer of a refund: of a cleared payment, and never more than is left of it."""
    source = session.scalars(
        sa.select(SandboxTransfer)
        .where(
            SandboxTransfer.ref == (request.fields["source_ref"] or ""),
            SandboxTransfer.kind.in_(["collect", "credit"]),
        )
        .with_for_update()
    ).one_or_none()
    if source is None:
        return new(request, "failed", now, "source_unknown")
    if source.state != "cleared":
        return new(request, "failed", now, "source_returned" if source.state == "returned" else "source_unknown")
    if sandbox_disputes.is_open(session, source):
        return new(request, "failed", now, "source_disputed")
    gone = _given_back(session, source) + sandbox_disputes.lost_minor(session, source)
    if gone + request.fields["amount_minor"] > source.amount_minor:
        return new(request, "failed", now, "over_refund")
    transfer = new(request, "done", now)
    method = rules.METHODS[source.method]
    transfer.due_at = now + method.refund_after if method.refund_after is not None else None
    return transfer


def _given_back(session: Session, source: SandboxTransfer) -> int:
    total = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(SandboxTransfer.amount_minor), 0)).where(
            SandboxTransfer.source_ref == source.ref, SandboxTransfer.kind == "refund", SandboxTransfer.state == "done"
        )
    )
    return int(total or 0)


def paid_out(request: ports.FrozenRequest, now: dt.datetime) -> SandboxTransfer:
    """Make the transfer of a payout, as its payee behaves."""
    payee = request.fields["method"]
    if not payee.startswith(rules.PAYEE_PREFIX):
        return new(request, "failed", now, "payee_unknown")
    if payee == rules.PAYEE_FAILS:
        return new(request, "failed", now, "account_closed")
    return new(request, "done", now)


def keep(session: Session, request: ports.FrozenRequest, transfer: SandboxTransfer) -> SandboxTransfer:
    """Store a new transfer with its line and event, or return what another call stored under the key."""
    columns = [column.key for column in sa.inspect(SandboxTransfer).columns if column.key != "id"]
    values = {column: getattr(transfer, column) for column in columns}
    inserted = session.execute(
        insert_for(session, SandboxTransfer)
        .values(values)
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(SandboxTransfer.id)
    ).scalar()
    kept = by_key(session, request.key)
    assert kept is not None
    if inserted is not None:
        _book(session, kept, kept.created_at)
    return kept


def fall_due(session: Session, transfer: SandboxTransfer) -> None:
    """Let happen to a transfer what its method says comes next."""
    due_at = transfer.due_at
    assert due_at is not None
    if transfer.kind == "refund":
        move(session, transfer, "bounced", due_at, "refund_bounced")
        return
    method = rules.METHODS[transfer.method]
    then = method.then
    assert then is not None
    if then == "disputed":
        transfer.due_at = None
        session.flush()
        left = transfer.amount_minor - _given_back(session, transfer)
        if left > 0:
            sandbox_disputes.opened(
                session, transfer, left, due_at, then=method.dispute_then, after=method.dispute_after
            )
        return
    if then == "returned" and _given_back(session, transfer):
        # The payer has it back already, so their bank has nothing to object to.
        transfer.due_at = None
        session.flush()
        return
    move(session, transfer, then, due_at, "debit_failed" if then == "failed" else None)


def move(
    session: Session, transfer: SandboxTransfer, state: str, at: dt.datetime, failure_code: str | None = None
) -> None:
    """Put a transfer into another state, with its line and event."""
    transfer.state, transfer.failure_code, transfer.due_at = state, failure_code, None
    _book(session, transfer, at)


def _book(session: Session, transfer: SandboxTransfer, at: dt.datetime) -> None:
    """Write the statement's lines and the event of the state that a transfer has just reached."""
    amount = transfer.amount_minor
    lines: list[tuple[str, int]] = []
    if transfer.state == "cleared":
        transfer.settled_at = at
        lines = [("payment", amount), ("fee", -transfer.fee_minor)]
    elif transfer.state == "done":
        transfer.settled_at = at
        lines = [(transfer.kind, -amount)]
    elif transfer.state == "returned":
        transfer.ended_at = at
        lines = [("return", -amount)]
    elif transfer.state == "bounced":
        transfer.ended_at = at
        lines = [(f"{transfer.kind}_bounced", amount)]
    session.add_all(
        SandboxLine(
            ref=transfer.ref, offering_ref=transfer.offering_ref, type=kind, amount_minor=minor,
            asset=transfer.asset, booked_at=at,
        )
        for kind, minor in lines
        if minor
    )
    session.add(
        SandboxEvent(
            event_id=public_id("evt"), type=f"{transfer.kind}.{transfer.state}", ref=transfer.ref, occurred_at=at
        )
    )
    session.flush()


def outcome_of(session: Session, transfer: SandboxTransfer) -> ports.Outcome:
    """Say what a transfer is, with everything that has happened to it."""
    if transfer.state == "pending":
        return ports.Pending(transfer.ref)
    if transfer.method == rules.TRANSFER and transfer.kind == "collect":
        return _expected(session, transfer)
    if transfer.state == "action":
        return ports.ActionRequired(transfer.ref, "Confirm this pretend payment to let it clear.")
    if transfer.state in ("failed", "cancelled"):
        code = transfer.failure_code or "failed"
        return ports.Rejected(code, FAILURES.get(code, "It failed."), transfer.ref)
    assert transfer.settled_at is not None
    first, second = (
        (ports.CLEARED, ports.RETURNED) if transfer.kind in ("collect", "credit") else (ports.DONE, ports.BOUNCED)
    )
    payer = ports.Payer(transfer.payer_name, transfer.payer_account, transfer.payer_card)
    effects = [ports.Effect(first, transfer.amount_minor, transfer.settled_at, transfer.fee_minor, payer)]
    if transfer.ended_at is not None:
        effects.append(ports.Effect(second, transfer.amount_minor, transfer.ended_at))
    return ports.Done(transfer.ref, tuple(effects), sandbox_disputes.told(session, transfer))


def _expected(session: Session, transfer: SandboxTransfer) -> ports.Outcome:
    """Say under which reference money is expected, or that it is no longer, and all that came under it."""
    came = tuple(
        ports.Credit(
            each.ref,
            ports.Effect(
                ports.CLEARED, each.amount_minor, each.settled_at or each.created_at, each.fee_minor,
                ports.Payer(each.payer_name, each.payer_account, each.payer_card),
            ),
        )
        for each in session.scalars(
            sa.select(SandboxTransfer)
            .where(SandboxTransfer.source_ref == transfer.ref, SandboxTransfer.kind == "credit")
            .order_by(SandboxTransfer.id)
        )
    )
    if transfer.state == rules.EXPECTING:
        return ports.ActionRequired(transfer.ref, reference_of(transfer), came)
    code = transfer.failure_code or ports.CANCELLED
    return ports.Rejected(code, "Nothing more is expected under this reference.", transfer.ref, came)


def reference_of(transfer: SandboxTransfer) -> str:
    """Return what a payer names with a bank transfer."""
    return f"MS-{transfer.ref.removeprefix('sbx_')[:10].upper()}"


def by_key(session: Session, key: str) -> SandboxTransfer | None:
    """Find a transfer by our idempotency key."""
    return session.scalars(sa.select(SandboxTransfer).where(SandboxTransfer.key == key)).one_or_none()


def by_ref(session: Session, ref: str, *, lock: bool = False) -> SandboxTransfer | None:
    """Find a transfer by the provider's own reference."""
    query = sa.select(SandboxTransfer).where(SandboxTransfer.ref == ref)
    return session.scalars(query.with_for_update() if lock else query).one_or_none()


def of_operation(session: Session, operation: str, *, lock: bool = False) -> SandboxTransfer | None:
    """Find the newest transfer that carries our operation in its metadata."""
    query = (
        sa.select(SandboxTransfer)
        .where(SandboxTransfer.operation == operation, SandboxTransfer.kind != "credit")
        .order_by(SandboxTransfer.id.desc())
    )
    return session.scalars((query.with_for_update() if lock else query).limit(1)).first()
