"""The tables of people: users, parties, memberships, invitations and second factors.

A user is a sign-in, a party a person or company that can own and owe, a membership the tie between
them with a role. Every user has exactly one natural party of their own. Names and mail addresses
live here and nowhere else (PPL-6).
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.accounts.actor import ROLES
from app.db import Base, BigIntPK, public_id

_ROLE_LIST = ", ".join(f"'{role}'" for role in ROLES)


class Party(Base):
    """A natural or legal person. Commitments, lots and payees belong to parties."""

    __tablename__ = "party"
    __table_args__ = (sa.CheckConstraint("kind IN ('natural', 'legal')", name="kind_known"),)

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=lambda: public_id("pty"))
    kind: Mapped[str]
    name: Mapped[str]
    created_at: Mapped[dt.datetime]


class User(Base):
    """A sign-in. ``email`` is casefolded; ``party_id`` is the user's own natural party.

    ``session_nonce`` is part of every session cookie: a new one signs out everywhere else.
    ``totp_last_step`` is the last 30-second step that a code was taken for, so that none is taken
    twice. ``demo`` marks accounts made by the demo loader; their code is shown in a sandbox.
    """

    __tablename__ = "user_account"
    __table_args__ = (
        sa.CheckConstraint(
            "totp_confirmed_at IS NULL OR totp_secret IS NOT NULL", name="confirmed_factor_has_secret"
        ),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=lambda: public_id("usr"))
    party_id: Mapped[int] = mapped_column(sa.ForeignKey("party.id"), unique=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    session_nonce: Mapped[str]
    totp_secret: Mapped[str | None]
    totp_pending_secret: Mapped[str | None]
    totp_confirmed_at: Mapped[dt.datetime | None]
    totp_last_step: Mapped[int | None]
    demo: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[dt.datetime]
    locked_at: Mapped[dt.datetime | None]


class Membership(Base):
    """A user may act for a party in a role, from ``approved_at`` until ``ended_at``.

    Auditors wait for an operator (``approved_at`` null); every other role is approved when created.
    """

    __tablename__ = "membership"
    __table_args__ = (
        sa.UniqueConstraint("user_id", "party_id", "role"),
        sa.Index(None, "party_id", "role"),
        sa.CheckConstraint(f"role IN ({_ROLE_LIST})", name="role_known"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=lambda: public_id("mem"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    party_id: Mapped[int] = mapped_column(sa.ForeignKey("party.id"))
    role: Mapped[str]
    created_at: Mapped[dt.datetime]
    approved_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]


class Invitation(Base):
    """An operator asks somebody at a mail address to become an operator or a supervisor.

    Only the SHA-256 of the token is kept. Times are of the system clock.
    """

    __tablename__ = "invitation"
    __table_args__ = (sa.CheckConstraint("role IN ('operator', 'supervisor')", name="role_by_invitation"),)

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=lambda: public_id("inv"))
    email: Mapped[str]
    role: Mapped[str]
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    invited_by: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    accepted_at: Mapped[dt.datetime | None]


class RecoveryCode(Base):
    """One of ten codes that stand in once for a lost second factor; only the hash is kept."""

    __tablename__ = "recovery_code"
    __table_args__ = (sa.UniqueConstraint("user_id", "code_hash"),)

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    code_hash: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[dt.datetime]
    used_at: Mapped[dt.datetime | None]


class SetupToken(Base):
    """The one row (id 1) that lets the first operator of an empty database sign up, once."""

    __tablename__ = "setup_token"
    __table_args__ = (sa.CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    token_hash: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    used_at: Mapped[dt.datetime | None]
