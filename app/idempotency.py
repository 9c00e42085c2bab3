"""One binding request, one effect (COM-1, COM-8): keys claimed in the transaction of the act.

A page carries a signed form key from the moment it is rendered (nothing is stored on GET). The act
claims the key first, with a hash of its validated fields, and settles it with the public id of what
it made. A second request with the same key waits for the first on PostgreSQL (unique key) or queues
behind it on SQLite (one writer), and then gets the first one's result.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
from collections.abc import Mapping

import sqlalchemy as sa
from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.accounts.actor import Actor
from app.db import Base, BigIntPK, insert_for
from app.errors import Conflict

FORM_KEY_SECONDS = 12 * 3600
_SALT = "milestake.form-key"


class IdempotencyKey(Base):
    """A claimed key. ``actor`` is ``user:<id>`` or ``system``; ``result_ref`` a public id."""

    __tablename__ = "idempotency_key"
    __table_args__ = (sa.UniqueConstraint("actor", "operation", "key"),)

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    actor: Mapped[str]
    operation: Mapped[str]
    key: Mapped[str]
    fields_hash: Mapped[str] = mapped_column(sa.String(64))
    result_ref: Mapped[str | None]
    created_at: Mapped[dt.datetime]


def actor_key(actor: Actor) -> str:
    """Return what keys and limits know an actor by."""
    return "system" if actor.is_system else f"user:{actor.user_id}"


def claim(
    session: Session,
    *,
    actor: Actor,
    operation: str,
    key: str,
    fields: Mapping[str, object],
    now: dt.datetime,
) -> str | None:
    """Claim ``key`` for this act; return None when it is new, else the first act's result.

    Raises ``Conflict`` (``key_reused``) when the key was used with other fields. Call it before
    anything is written, and :func:`settle` when the result is known (COM-1).
    """
    digest = fields_hash(fields)
    claimed = session.execute(
        insert_for(session, IdempotencyKey)
        .values(actor=actor_key(actor), operation=operation, key=key, fields_hash=digest, created_at=now)
        .on_conflict_do_nothing(index_elements=["actor", "operation", "key"])
        .returning(IdempotencyKey.id)
    ).scalar()
    if claimed is not None:
        return None
    first = session.execute(
        sa.select(IdempotencyKey.fields_hash, IdempotencyKey.result_ref).where(
            IdempotencyKey.actor == actor_key(actor),
            IdempotencyKey.operation == operation,
            IdempotencyKey.key == key,
        )
    ).one()
    if first.fields_hash != digest:
        raise Conflict(
            "This form was sent before with other values, and that was done. "
            "Open the page again to see it; to do another one, start a new form.",
            code="key_reused",
        )
    if first.result_ref is None:
        raise Conflict("This was received already. Open the page again to see what came of it.", code="key_pending")
    return first.result_ref


def settle(session: Session, *, actor: Actor, operation: str, key: str, result_ref: str) -> None:
    """Keep the public id of what the act made, for whoever sends the same key again."""
    session.execute(
        sa.update(IdempotencyKey)
        .where(
            IdempotencyKey.actor == actor_key(actor),
            IdempotencyKey.operation == operation,
            IdempotencyKey.key == key,
        )
        .values(result_ref=result_ref)
    )


def fields_hash(fields: Mapping[str, object]) -> str:
    """Return the SHA-256 of the validated fields, the same for the same values in any order."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"fields of a request are texts, numbers and dates, not {type(value).__name__}")


def new_form_key(actor: Actor, operation: str) -> str:
    """Return a signed key for one form of ``operation``, to be put into the page; stores nothing."""
    return _serializer().dumps([actor_key(actor), operation, secrets.token_urlsafe(16)])


def read_form_key(token: str | None, actor: Actor, operation: str) -> str:
    """Return the key inside a signed form key.

    Raises ``Conflict``: ``form_stale`` when the page is more than 12 hours old (system clock),
    ``form_foreign`` when it was made for somebody else, another form, or altered.
    """
    try:
        owner, made_for, key = _serializer().loads(token or "", max_age=FORM_KEY_SECONDS)
    except SignatureExpired:
        raise Conflict(
            "This page is more than 12 hours old, and nothing was done. Check what you typed and send it again.",
            code="form_stale",
        ) from None
    except (BadData, ValueError, TypeError):
        owner = made_for = key = None
    if owner != actor_key(actor) or made_for != operation:
        raise Conflict(
            "This form was not made for your present sign-in, and nothing was done. "
            "Check what you typed and send it again.",
            code="form_foreign",
        )
    return key


def _serializer() -> URLSafeTimedSerializer:
    from flask import current_app

    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt=_SALT)
