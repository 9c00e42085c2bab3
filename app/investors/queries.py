"""Read what is known of an investor, and what is missing before money may be committed. Nothing here writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.accounts.models import Membership, User
from app.errors import NotFound
from app.investors import rules
from app.investors.models import (
    Acknowledgement,
    Declaration,
    IdentityDocument,
    UnderstandingAttempt,
    Verification,
)


def declaration(session: Session, party_id: int) -> Declaration | None:
    """Return the latest declaration of a party, also one that ran out (``valid_until``); None when there is none."""
    return session.scalars(
        sa.select(Declaration).where(Declaration.party_id == party_id).order_by(Declaration.id.desc()).limit(1)
    ).one_or_none()


def declarations(session: Session, party_id: int) -> Sequence[Declaration]:
    """Return every declaration of a party, the latest first."""
    return session.scalars(
        sa.select(Declaration).where(Declaration.party_id == party_id).order_by(Declaration.id.desc())
    ).all()


def verified_name(session: Session, party_id: int) -> str | None:
    """Return the name that was checked last, also when the check has run out since; None for none (COM-12)."""
    return session.scalars(
        sa.select(Verification.legal_name)
        .where(Verification.party_id == party_id, Verification.state.in_(["verified", "expired"]))
        .order_by(Verification.id.desc())
        .limit(1)
    ).one_or_none()


# -- the standing of one party ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a party stands: the check in force, the newest request, what was declared and understood.

    ``latest_state`` is of the newest request, which may be a renewal beside a check still in force.
    """

    verified_until: dt.datetime | None
    latest_state: str | None
    declared_until: dt.datetime | None
    understood_at: dt.datetime | None
    #: Since when documents may come electronically; None when that was never agreed to, or withdrawn.
    delivered_since: dt.datetime | None

    def verification(self, now: dt.datetime) -> str:
        """Return the state people see (PPL-3): none, pending, verified, expired or refused."""
        if self.verified_until is not None:
            if now < self.verified_until:
                return "verified"
            return "pending" if self.latest_state == "pending" else "expired"
        return self.latest_state or "none"

    def understood_until(self, months: int = rules.UNDERSTANDING_MONTHS) -> dt.datetime | None:
        """Return until when the answers count, None when the questions of today were never answered rightly."""
        return None if self.understood_at is None else rules.add_months(self.understood_at, months)


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that stands between a party and a commitment. ``step`` names the page that mends it."""

    code: str
    message: str
    step: str


_PARTY = sa.bindparam("party_id")


def _last(column: sa.ColumnElement[object], *where: sa.ColumnElement[bool], by: sa.ColumnElement[int]) -> object:
    return sa.select(column).where(*where).order_by(by.desc()).limit(1).scalar_subquery()


#: Asked at each commitment: one statement, built once.
_STANDING = sa.select(
    _last(Verification.expires_at, Verification.party_id == _PARTY, Verification.state == "verified",
          by=Verification.id).label("verified_until"),
    _last(Verification.state, Verification.party_id == _PARTY, by=Verification.id).label("latest_state"),
    _last(Declaration.valid_until, Declaration.party_id == _PARTY, by=Declaration.id).label("declared_until"),
    _last(UnderstandingAttempt.answered_at, UnderstandingAttempt.party_id == _PARTY,
          UnderstandingAttempt.passed.is_(True), UnderstandingAttempt.set_version == rules.QUESTIONS.version,
          by=UnderstandingAttempt.number).label("understood_at"),
    _last(
        sa.case((
            sa.and_(Acknowledgement.kind == rules.DELIVERY_AGREED,
                    Acknowledgement.wording_hash == rules.DELIVERY_WORDING_HASH),
            Acknowledgement.acknowledged_at,
        )),
        Acknowledgement.party_id == _PARTY, Acknowledgement.kind.in_(rules.DELIVERY_KINDS), by=Acknowledgement.id,
    ).label("delivered_since"),
)


def standing(session: Session, party_id: int) -> Standing:
    """Return where a party stands, in one query."""
    return Standing(*session.execute(_STANDING, {"party_id": party_id}).one())


def missing(
    found: Standing, now: dt.datetime, *, understanding_months: int = rules.UNDERSTANDING_MONTHS
) -> tuple[Missing, ...]:
    """Return everything that stands in the way of a commitment, in the order of the steps that mend it."""
    reasons = []
    words = _VERIFICATION_WORDS.get(found.verification(now))
    if words is not None:
        reasons.append(Missing(*words, "verification"))
    if found.declared_until is None:
        reasons.append(Missing("declaration_missing", "Say what kind of investor you are.", "declaration"))
    elif now >= found.declared_until:
        reasons.append(Missing(
            "declaration_expired", "What you said of yourself has run out. State it anew.", "declaration"
        ))
    if found.delivered_since is None:
        reasons.append(Missing("delivery_missing", "Agree to get documents electronically.", "delivery"))
    until = found.understood_until(understanding_months)
    if until is None:
        reasons.append(Missing("understanding_missing", "Answer the questions about the risks.", "understanding"))
    elif now >= until:
        reasons.append(Missing(
            "understanding_expired", "Your answers about the risks have run out. Answer the questions again.",
            "understanding",
        ))
    return tuple(reasons)


_VERIFICATION_WORDS = {
    "none": ("verification_missing", "Have your identity checked."),
    "pending": ("verification_pending", "Wait until an operator has checked your identity."),
    "expired": ("verification_expired", "The check of your identity has run out. Have it renewed."),
    "refused": ("verification_refused", "The check of your identity was refused. Read why, and ask again."),
}


# -- the questions ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a party tried the questions: all tries, failures in a row, and when the last one failed."""

    count: int
    failures: int
    last_failed_at: dt.datetime | None

    @property
    def next_at(self) -> dt.datetime | None:
        """From when the next try is taken, None for at once."""
        return rules.retry_at(self.failures, self.last_failed_at)


def tries(session: Session, party_id: int) -> Tries:
    """Return a party's tries; a pass forgives the failures before it."""
    row = UnderstandingAttempt
    passed = (
        sa.select(sa.func.coalesce(sa.func.max(row.number), 0))
        .where(row.party_id == party_id, row.passed.is_(True))
        .scalar_subquery()
    )
    failed = sa.and_(row.passed.is_(False), row.number > passed)
    count, failures, last = session.execute(
        sa.select(
            sa.func.count(row.id), sa.func.coalesce(sa.func.sum(sa.case((failed, 1), else_=0)), 0),
            sa.func.max(sa.case((failed, row.answered_at), else_=None)),
        ).where(row.party_id == party_id)
    ).one()
    return Tries(count, int(failures), last)


# -- verification -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Check:
    """One request with its papers and the person who sent it."""

    verification: Verification
    user: User
    papers: Sequence[IdentityDocument]


def latest_verification(session: Session, party_id: int) -> Verification | None:
    """Return the newest request of a party, None when there is none."""
    return session.scalars(
        sa.select(Verification).where(Verification.party_id == party_id).order_by(Verification.id.desc()).limit(1)
    ).one_or_none()


def verifications(session: Session, party_id: int) -> Sequence[Verification]:
    """Return every request of a party, the newest first."""
    return session.scalars(
        sa.select(Verification).where(Verification.party_id == party_id).order_by(Verification.id.desc())
    ).all()


def papers_at_hand(session: Session, party_id: int) -> Sequence[IdentityDocument]:
    """Return the papers that wait to be sent with a party's next request."""
    return session.scalars(
        sa.select(IdentityDocument)
        .where(IdentityDocument.party_id == party_id, IdentityDocument.verification_id.is_(None))
        .order_by(IdentityDocument.id)
    ).all()


def paper_for_reader(session: Session, actor: Actor, paper_id: str) -> IdentityDocument:
    """Return a paper to its owner or to an operator; raises ``NotFound`` for everybody else.

    An operator sees it once it was sent, not while its owner still collects papers.
    """
    found = session.scalars(sa.select(IdentityDocument).where(IdentityDocument.public_id == paper_id)).one_or_none()
    is_own = found is not None and found.user_id == actor.user_id
    is_asked = found is not None and found.verification_id is not None and actor.has_role("operator")
    if found is None or not (is_own or is_asked):
        raise NotFound("There is no such paper.", code="paper_not_found")
    return found


def pending_checks(session: Session, *, limit: int = 100) -> Sequence[tuple[Verification, User]]:
    """Return the requests that wait for an operator, the longest waiting first."""
    rows = session.execute(
        sa.select(Verification, User)
        .join(User, User.id == Verification.user_id)
        .where(Verification.state == "pending")
        .order_by(Verification.due_at, Verification.id)
        .limit(limit)
    )
    return [(verification, user) for verification, user in rows]


def decided_checks(session: Session, *, limit: int = 20) -> Sequence[tuple[Verification, User]]:
    """Return the requests decided last, newest first."""
    rows = session.execute(
        sa.select(Verification, User)
        .join(User, User.id == Verification.user_id)
        .where(Verification.decided_at.is_not(None))
        .order_by(Verification.decided_at.desc(), Verification.id.desc())
        .limit(limit)
    )
    return [(verification, user) for verification, user in rows]


def unverified_investors(session: Session, now: dt.datetime, *, limit: int = 50) -> Sequence[User]:
    """Return people who could invest and have neither a check in force nor a request, oldest first."""
    asked = sa.select(Verification.id).where(
        Verification.party_id == User.party_id,
        sa.or_(
            Verification.state == "pending",
            sa.and_(Verification.state == "verified", Verification.expires_at > now),
        ),
    )
    investor = sa.select(Membership.id).where(
        Membership.user_id == User.id, Membership.role == "investor", Membership.ended_at.is_(None)
    )
    return session.scalars(
        sa.select(User).where(investor.exists(), ~asked.exists()).order_by(User.id).limit(limit)
    ).all()


def check_by_id(session: Session, verification_id: str) -> Check:
    """Return one request for an operator; raises ``NotFound``."""
    row = session.execute(
        sa.select(Verification, User)
        .join(User, User.id == Verification.user_id)
        .where(Verification.public_id == verification_id)
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such request.", code="verification_not_found")
    papers = session.scalars(
        sa.select(IdentityDocument)
        .where(IdentityDocument.verification_id == row[0].id)
        .order_by(IdentityDocument.id)
    ).all()
    return Check(row[0], row[1], papers)
