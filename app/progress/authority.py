"""Keep an authority's order as a document: its bytes by their hash, who attached it, and to what (OFF-13, WND-1).

``about`` is the public id of the halt or the order that it is attached to. The bytes are stored before, by the edge.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.db import public_id
from app.errors import NotFound, Refused
from app.progress.order_models import AuthorityOrder

READERS = ("operator", "supervisor")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Document:
    """A document whose bytes are in the store under ``sha256``, and the reference that the authority gave it."""

    reference: str
    filename: str
    media_type: str
    sha256: str
    size_bytes: int


def attach(session: Session, *, actor: Actor, about: str, document: Document, now: dt.datetime) -> AuthorityOrder:
    """Attach an order to a halt or to an order that an offering ends; raises ``Refused`` ``order_document``."""
    reference = document.reference.strip()
    if not reference or not _SHA256.fullmatch(document.sha256) or document.size_bytes <= 0:
        raise Refused(
            "Enter the reference of the authority's order and attach its document.", code="order_document",
            field="order_file" if reference else "order_reference",
        )
    row = AuthorityOrder(
        public_id=public_id("aut"), about=about, reference=reference, filename=document.filename,
        media_type=document.media_type, sha256=document.sha256, size_bytes=document.size_bytes,
        attached_by=accounts.user_of(actor), attached_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(
        session, actor=actor, action="authority_order.attached", object_id=row.public_id, now=now,
        after=told(session, row),
    )
    return row


def told(_session: Session, order: AuthorityOrder) -> dict[str, object]:
    """Return what the log keeps of a document; the self-check compares the row with it."""
    return {"about": order.about, "sha256": order.sha256, "size_bytes": order.size_bytes}


def attached_to(session: Session, about: str) -> Sequence[AuthorityOrder]:
    """Return the orders attached to a halt or an order, the oldest first."""
    return session.scalars(
        sa.select(AuthorityOrder).where(AuthorityOrder.about == about).order_by(AuthorityOrder.id)
    ).all()


def for_reader(session: Session, actor: Actor, order_id: str) -> AuthorityOrder:
    """Return an order to an operator or a supervisor; it does not exist for anybody else (PPL-4)."""
    row = session.scalars(sa.select(AuthorityOrder).where(AuthorityOrder.public_id == order_id)).one_or_none()
    if row is None or not any(actor.has_role(role) for role in READERS):
        raise NotFound("There is no such order.", code="order_not_found")
    return row
