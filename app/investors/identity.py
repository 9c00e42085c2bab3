"""Check who an investor is: papers, request, decision, expiry (PPL-3).

Who decides stands behind :class:`IdentityCheck`: an operator today, a provider of such checks later. Whatever
decides, the result comes in by :func:`decide`. Silence never verifies anybody.
"""

from __future__ import annotations

import datetime as dt
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.errors import Conflict, NotFound, Refused
from app.investors import queries, rules, service
from app.investors.models import IdentityDocument, Verification
from app.outbox import service as outbox

#: The platform's own days: operators answer by them, wherever the investor lives.
CALENDAR, ZONE = "US", "UTC"
EARLIEST_BIRTH = dt.date(1900, 1, 1)


class IdentityCheck(Protocol):
    """A way to check who somebody is. ``name`` is kept with each request that it decides."""

    name: str

    def demand_papers(self, papers: list[IdentityDocument]) -> None:
        """Raise ``Refused`` when this check needs papers that are not there."""
        ...

    def due_at(self, now: dt.datetime) -> dt.datetime:
        """Return by when the result is due."""
        ...

    def begin(self, session: Session, request: Verification) -> None:
        """Set the check going once the request is stored; a provider would be called by an outbox message."""
        ...


class ByOperator:
    """An operator looks at the papers, within three business days. A sandbox asks for none."""

    name = "operator"

    def __init__(self, *, needs_papers: bool) -> None:
        self.needs_papers = needs_papers

    def demand_papers(self, papers: list[IdentityDocument]) -> None:
        if self.needs_papers and not any(paper.kind in rules.IDENTITY_KINDS for paper in papers):
            raise Refused(
                "Add a passport, an identity card or a driving licence first.", code="paper_missing", field="file"
            )

    def due_at(self, now: dt.datetime) -> dt.datetime:
        return calendars.add_business_days(now, rules.DECISION_BUSINESS_DAYS, code=CALENDAR, zone=ZONE)

    def begin(self, session: Session, request: Verification) -> None:
        """Nothing to set going: the operators' queue is the requests that are pending."""


# -- papers -----------------------------------------------------------------------------------------


def add_paper(
    session: Session,
    *,
    actor: Actor,
    party_id: int,
    kind: str,
    filename: str,
    media_type: str,
    sha256: str,
    size_bytes: int,
    now: dt.datetime,
) -> IdentityDocument:
    """Keep one paper for the next request; its bytes are in the blob store already.

    Raises ``Refused`` (``paper_kind``, ``paper_type``, ``paper_size``, ``papers_many``).
    """
    service.demand_investor(actor, party_id)
    service.locked_party(session, party_id)
    if kind not in rules.PAPER_KINDS:
        raise Refused("Choose what the paper is.", code="paper_kind", field="kind")
    if media_type not in {known for known, _beginning in rules.PAPER_TYPES.values()}:
        raise Refused("Send a PDF, PNG or JPEG file.", code="paper_type", field="file")
    if not 0 < size_bytes <= rules.MAX_PAPER_BYTES:
        raise Refused("Send a file of at most 10 MB that is not empty.", code="paper_size", field="file")
    if len(queries.papers_at_hand(session, party_id)) >= rules.MAX_PAPERS:
        raise Refused(
            f"At most {rules.MAX_PAPERS} papers can be sent together. Remove one first.", code="papers_many",
            field="file",
        )
    paper = IdentityDocument(
        party_id=party_id, user_id=accounts.user_of(actor), kind=kind, filename=rules.clean_filename(filename),
        media_type=media_type, sha256=sha256, size_bytes=size_bytes, uploaded_at=now,
    )
    session.add(paper)
    session.flush()
    audit.record(
        session, actor=actor, action="identity_paper.added", object_id=paper.public_id, now=now,
        after={"kind": kind, "sha256": sha256},
    )
    return paper


def remove_paper(session: Session, *, actor: Actor, paper_id: str, now: dt.datetime) -> None:
    """Forget a paper that was not sent yet; a paper that belongs to a request stays with it."""
    paper = session.scalars(
        sa.select(IdentityDocument).where(IdentityDocument.public_id == paper_id).with_for_update()
    ).one_or_none()
    if paper is None or paper.user_id != actor.user_id:
        raise NotFound("There is no such paper.", code="paper_not_found")
    if paper.verification_id is not None:
        raise Conflict("This paper was sent with a request and stays with it.", code="paper_sent")
    session.delete(paper)
    audit.record(
        session, actor=actor, action="identity_paper.removed", object_id=paper.public_id, now=now,
        before={"kind": paper.kind},
    )


# -- the request ------------------------------------------------------------------------------------


def request(
    session: Session,
    *,
    actor: Actor,
    party_id: int,
    legal_name: str,
    country: str,
    born_on: dt.date | None,
    check: IdentityCheck,
    now: dt.datetime,
) -> Verification:
    """Ask for a check, the first one or a renewal, with the papers at hand.

    A check still in force stays in force meanwhile. A second request while one is pending returns it.
    Raises ``Refused`` (``name_form``, ``country_form``, ``birth_form``, ``paper_missing``).
    """
    service.demand_investor(actor, party_id)
    service.locked_party(session, party_id)
    latest = queries.latest_verification(session, party_id)
    if latest is not None and latest.state == "pending":
        return latest
    _demand_particulars(legal_name, country, born_on, now)
    papers = list(queries.papers_at_hand(session, party_id))
    check.demand_papers(papers)
    row = Verification(
        party_id=party_id, user_id=accounts.user_of(actor), state="pending", method=check.name,
        legal_name=" ".join(legal_name.split()), country=country, born_on=born_on, requested_at=now,
        due_at=check.due_at(now),
    )
    session.add(row)
    session.flush()
    for paper in papers:
        paper.verification_id = row.id
    audit.record(
        session, actor=actor, action="verification.requested", object_id=row.public_id, now=now,
        after={"state": "pending", "papers": len(papers)},
    )
    check.begin(session, row)
    return row


def _demand_particulars(legal_name: str, country: str, born_on: dt.date | None, now: dt.datetime) -> None:
    if not 1 < len(legal_name.strip()) <= 200:
        raise Refused("Enter your name as it stands on your paper.", code="name_form", field="legal_name")
    if len(country) != 2 or not country.isascii() or not country.isupper():
        raise Refused("Choose the country you live in.", code="country_form", field="country")
    if born_on is not None and not EARLIEST_BIRTH <= born_on < now.date():
        raise Refused("Enter the day you were born.", code="birth_form", field="born_on")


# -- the decision -----------------------------------------------------------------------------------


def verify(
    session: Session, *, actor: Actor, verification_id: str, expires_at: dt.datetime | None = None, now: dt.datetime
) -> Verification:
    """Find that somebody is who they say, until ``expires_at`` (12 months from now where none is given).

    By an operator with a second factor, never about oneself; twice changes nothing. An older check of the
    party ends with it.
    """
    row = _to_decide(session, actor, verification_id)
    if row.state == "verified":
        return row
    _demand_pending(row)
    until = expires_at or rules.add_months(now, rules.VERIFICATION_MONTHS)
    if not now < until <= rules.add_months(now, 10 * 12):
        raise Refused("Choose a day after today, within ten years.", code="expiry_form", field="expires_on")
    session.execute(
        sa.update(Verification)
        .where(Verification.party_id == row.party_id, Verification.state == "verified")
        .values(state="expired", expires_at=now)
    )
    row.state, row.decided_at, row.decided_by, row.expires_at = "verified", now, actor.user_id, until
    session.flush()
    audit.record(
        session, actor=actor, action="verification.verified", object_id=row.public_id, now=now,
        before={"state": "pending"}, after={"state": "verified", "expires_at": until},
    )
    _tell(session, "verification_verified", row, now)
    return row


def refuse(
    session: Session, *, actor: Actor, verification_id: str, reason_code: str, note: str = "", now: dt.datetime
) -> Verification:
    """Refuse a request with a reason that says what to do; the person may ask again at once.

    ``note`` is for that person and stays out of the log. Raises ``Refused`` (``reason_needed``).
    """
    row = _to_decide(session, actor, verification_id)
    if row.state == "refused" and row.reason_code == reason_code:
        return row
    _demand_pending(row)
    if reason_code not in rules.REFUSAL_REASONS:
        raise Refused("Choose why it is refused.", code="reason_needed", field="reason_code")
    if reason_code == "other" and not note.strip():
        raise Refused("Write what the person has to do.", code="note_needed", field="note")
    row.state, row.decided_at, row.decided_by = "refused", now, actor.user_id
    row.reason_code, row.note = reason_code, note.strip()[:1000] or None
    session.flush()
    audit.record(
        session, actor=actor, action="verification.refused", object_id=row.public_id, now=now,
        before={"state": "pending"}, after={"state": "refused", "reason": reason_code},
    )
    _tell(session, "verification_refused", row, now)
    return row


def take_over(
    session: Session,
    *,
    actor: Actor,
    party_id: int,
    user_id: int,
    legal_name: str,
    country: str,
    born_on: dt.date | None = None,
    expires_at: dt.datetime | None = None,
    now: dt.datetime,
) -> Verification:
    """Keep a check that was made elsewhere, without a request of the person here.

    For programs of the platform, and for operators of a sandbox, where everybody is invented. The person is
    told when an operator did it. Raises ``Conflict`` ``decided_already`` while a check is pending or in force.
    """
    accounts.demand(actor, "operator", second_factor=True)
    service.demand_own(actor, user_id)
    _demand_particulars(legal_name, country, born_on, now)
    if not actor.is_system:
        service.locked_party(session, party_id)
        if queries.standing(session, party_id).verification(now) in ("pending", "verified"):
            raise Conflict("This person is verified, or waits to be. Open the request.", code="decided_already")
    row = Verification(
        party_id=party_id, user_id=user_id, state="verified", method="taken_over", legal_name=legal_name,
        country=country, born_on=born_on, requested_at=now, due_at=now, decided_at=now, decided_by=actor.user_id,
        expires_at=expires_at or rules.add_months(now, rules.VERIFICATION_MONTHS),
    )
    session.add(row)
    session.flush()
    audit.record(
        session, actor=actor, action="verification.taken_over", object_id=row.public_id, now=now,
        after={"state": "verified", "expires_at": row.expires_at},
    )
    if not actor.is_system:
        _tell(session, "verification_verified", row, now)
    return row


def _to_decide(session: Session, actor: Actor, verification_id: str) -> Verification:
    accounts.demand(actor, "operator", second_factor=True)
    row = session.scalars(
        sa.select(Verification).where(Verification.public_id == verification_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such request.", code="verification_not_found")
    service.demand_own(actor, row.user_id)
    return row


def _demand_pending(row: Verification) -> None:
    if row.state != "pending":
        raise Conflict("This request was decided already. Open it again to see how.", code="decided_already")


# -- time -------------------------------------------------------------------------------------------


def expire(session: Session, row: Verification, *, now: dt.datetime) -> None:
    """Let a check run out: no new commitments from then on, everything else stays (PPL-3)."""
    row.state = "expired"
    audit.record(
        session, actor=SYSTEM, action="verification.expired", object_id=row.public_id, now=now,
        before={"state": "verified"}, after={"state": "expired"},
    )
    _tell(session, "verification_expired", row, now)


def warn(session: Session, row: Verification, *, now: dt.datetime) -> None:
    """Say that a check runs out soon, once."""
    row.warned_at = now
    _tell(session, "verification_expiring", row, now)


def remind(session: Session, row: Verification, *, now: dt.datetime) -> None:
    """Tell the operators that a request waits longer than it should; it stays undecided."""
    row.reminded_at = now
    audit.record(session, actor=SYSTEM, action="verification.overdue", object_id=row.public_id, now=now)
    _tell(session, "verification_overdue", row, now)


def _tell(session: Session, kind: str, row: Verification, now: dt.datetime) -> None:
    outbox.enqueue(
        session, "notice", {"kind": kind, "verification_id": row.id}, now=now, key=f"notice:{kind}:{row.public_id}"
    )
