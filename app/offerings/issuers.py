"""Create issuers and their token classes, and change where an issuer is paid (OFF-1, MIL-12)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.db import public_id
from app.errors import NotFound, Refused
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings import rules
from app.offerings.models import Issuer, TokenClass
from app.outbox import service as outbox

MAX_TOKENS = 1_000_000_000_000


def create_issuer(
    session: Session, *, actor: Actor, name: str, place: str, description: str, payee_ref: str, now: dt.datetime
) -> Issuer:
    """Create a company with its legal party; the founder becomes its first member.

    ``payee_ref`` is the account at the rail that payouts go to; changing it later starts a hold (MIL-12).
    """
    accounts.demand(actor, "founder")
    if not name.strip():
        raise Refused("Enter the company's registered name.", code="name_empty", field="name")
    party = accounts.create_legal_party(session, name=name.strip(), now=now)
    accounts.add_member(session, user_id=accounts.user_of(actor), party_id=party.id, role="founder", now=now)
    issuer = Issuer(
        public_id=public_id("iss"), party_id=party.id, name=name.strip(), place=place.strip(),
        description=description.strip(), payee_ref=payee_ref, payee_changed_at=now, created_by=accounts.user_of(actor),
        created_at=now,
    )
    session.add(issuer)
    session.flush()
    audit.record(
        session, actor=actor, action="issuer.created", object_id=issuer.public_id, now=now, after={"payee": payee_ref}
    )
    return issuer


def change_payee(
    session: Session, *, actor: Actor, issuer_id: str, payee_ref: str, now: dt.datetime
) -> Issuer:
    """Change where payouts go. Needs a fresh second factor; nothing is paid out for seven days (MIL-12, PPL-1)."""
    accounts.demand(actor, "founder", second_factor=True)
    issuer = issuer_of_founder(session, actor, issuer_id)
    before = issuer.payee_ref
    issuer.payee_ref, issuer.payee_changed_at = payee_ref, now
    audit.record(
        session, actor=actor, action="issuer.payee_changed", object_id=issuer.public_id, now=now,
        before={"payee": before}, after={"payee": payee_ref},
    )
    outbox.enqueue(session, "notice", {"kind": "payee_changed", "issuer_id": issuer.id}, now=now)
    return issuer


def create_token_class(
    session: Session,
    *,
    actor: Actor,
    issuer_id: str,
    code: str,
    name: str,
    rights: str,
    authorised_tokens: int,
    existing_tokens: int,
    now: dt.datetime,
) -> TokenClass:
    """Create a class and post its authorisation: D unissued / C authorised.

    ``code`` (3–16 capitals, digits, hyphens) names the asset in the ledger and is unique on the
    platform. Quantities are whole tokens.
    """
    accounts.demand(actor, "founder")
    issuer = issuer_of_founder(session, actor, issuer_id)
    if not rules.CODE.fullmatch(code):
        raise Refused("Use 3 to 16 capital letters, digits or hyphens, like HALDEN-A.", code="code_form", field="code")
    if session.execute(sa.select(TokenClass.id).where(TokenClass.code == code)).scalar() is not None:
        raise Refused("This code is taken. Choose another one.", code="code_taken", field="code")
    if not 0 < authorised_tokens <= MAX_TOKENS:
        raise Refused(
            f"Authorise between 1 and {MAX_TOKENS:,} tokens.", code="authorised_range", field="authorised_tokens"
        )
    if not 0 <= existing_tokens <= MAX_TOKENS:
        raise Refused(f"Enter between 0 and {MAX_TOKENS:,}.", code="existing_range", field="existing_tokens")
    token_class = TokenClass(
        public_id=public_id("tcl"), issuer_id=issuer.id, code=code, name=name.strip(), rights=rights.strip(),
        authorised_tokens=authorised_tokens, existing_tokens=existing_tokens, created_at=now,
    )
    session.add(token_class)
    session.flush()
    ledger.post(
        session, kind="class_authorised", key=f"class:{token_class.public_id}:authorised", cause=token_class.public_id,
        occurred_at=now,
        lines=[
            ledger.debit(chart.unissued(token_class.public_id, token_class.asset), authorised_tokens),
            ledger.credit(chart.authorised(token_class.public_id, token_class.asset), authorised_tokens),
        ],
    )
    audit.record(
        session, actor=actor, action="token_class.created", object_id=token_class.public_id, now=now,
        after={"issuer": issuer.public_id, "code": code, "authorised": authorised_tokens, "existing": existing_tokens},
    )
    return token_class


def issuer_of_founder(session: Session, actor: Actor, issuer_id: str) -> Issuer:
    """Return an issuer that the actor is a founder of; raises ``NotFound`` otherwise."""
    issuer = session.execute(sa.select(Issuer).where(Issuer.public_id == issuer_id)).scalar_one_or_none()
    if issuer is None or not actor.acts_for(issuer.party_id, "founder"):
        raise NotFound("There is no such company.", code="issuer_not_found")
    return issuer


def class_of_founder(session: Session, actor: Actor, token_class_id: str) -> tuple[TokenClass, Issuer]:
    """Return a class and its issuer that the actor is a founder of; raises ``NotFound`` otherwise."""
    found = session.execute(
        sa.select(TokenClass, Issuer)
        .join(Issuer, Issuer.id == TokenClass.issuer_id)
        .where(TokenClass.public_id == token_class_id)
    ).one_or_none()
    if found is None or not actor.acts_for(found.Issuer.party_id, "founder"):
        raise NotFound("There is no such token class.", code="token_class_not_found")
    return found.TokenClass, found.Issuer
