"""Post what leaves escrow: a release (money and token leg in one journal) or a return to the investors.

Who gets which part is ``commitments.escrow``; whether it may happen now is :func:`gate`; when, the engine's.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable

import rfc8785
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.closing import funding
from app.commitments import carrying, escrow
from app.commitments import service as commitments
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.contracts.queries import Published
from app.db import public_id
from app.errors import InvariantBroken
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings.models import Issuer, Offering, TokenClass
from app.outbox import service as outbox
from app.payments import reserve
from app.payments import service as payments
from app.progress import rules, shortfalls, standing
from app.progress.models import Attestation, Evidence, Release, Submission
from app.register import service as register


def gate(session: Session, offering: Offering, milestone: Milestone, published: Published) -> str | None:
    """Return what a release waits for, in words, or None when it may run now (MIL-12).

    The verdict, the window and the predecessor are the engine's; here are the gates outside the contract.
    """
    stopped = shortfalls.reason_to_wait(session, offering) or stopped_by(offering)
    if stopped is not None:
        return stopped
    unsigned = funding.waits_for(offering)
    if unsigned is not None:
        return unsigned
    if milestone.ordinal and not _is_bound(session, offering, milestone, published):
        return "the attestations do not match the published terms and the files; an operator has to look"
    return None


def stopped_by(offering: Offering) -> str | None:
    """Return what stops every release of an offering, in words; None when nothing does (OFF-13)."""
    if offering.halted_since is not None:
        return "the end of the halt of this offering"
    return offering.releases_stopped or None


def _is_bound(session: Session, offering: Offering, milestone: Milestone, published: Published) -> bool:
    """Whether the verdict stands on these terms and exactly these files, hashed again now (MIL-6)."""
    submission = session.execute(
        sa.select(Submission)
        .where(Submission.milestone_id == milestone.id, standing.verdict_sql().in_(["met", "partly"]))
        .order_by(Submission.number.desc())
        .limit(1)
    ).scalar_one_or_none()
    if submission is None or not _is_of_these_terms(session, offering, milestone, submission, published):
        return False
    files = session.execute(
        sa.select(Evidence.kind, Evidence.filename, Evidence.sha256, Evidence.size_bytes)
        .where(Evidence.submission_id == submission.id)
        .order_by(Evidence.ordinal)
    ).all()
    hashed = rules.manifest_hash(submission.contract_hash or "", milestone.key, submission.number, files)
    signed = session.execute(
        sa.select(Attestation.manifest_hash).where(Attestation.submission_id == submission.id)
    ).scalars()
    return hashed == submission.manifest_hash and all(each == hashed for each in signed)


def _is_of_these_terms(
    session: Session, offering: Offering, milestone: Milestone, submission: Submission, published: Published
) -> bool:
    """Whether the submission was received under terms in which this milestone reads as it does now (MIL-6, MIL-13)."""
    if submission.contract_hash == published.content_hash:
        return True
    received_under = contract_queries.version_by_hash(session, offering.contract_id, submission.contract_hash or "")
    now = published.terms.milestone(milestone.ordinal)
    return received_under is not None and any(each == now for each in received_under.terms.milestones)


def fee_minor(amount_minor: int, fee_bp: int) -> int:
    """Return our fee on a release: floor(release × fee bp ÷ 10,000), from released money only (REL-4)."""
    return amount_minor * fee_bp // 10_000


def release(
    session: Session, offering: Offering, milestone: Milestone, published: Published, amount: int, *, now: dt.datetime
) -> Release | None:
    """Post a part of a tranche, or all of it: escrow to payable and fees, reserved tokens to outstanding (REL-1).

    Money and tokens are one journal. What payments that can still be taken back gave of it is carried, unless the
    reserve covers it, and follows by :func:`release_carried` (COM-10). None when all of it is.
    """
    division = carrying.next_part(session, milestone.id)
    carried = carrying.set_aside(
        session, offering=offering, amount_minor=amount, milestone_id=milestone.id, part=division, now=now
    )
    if carried and reserve.covers(session, offering, carried, now=now):
        carrying.take_back(session, milestone.id, division)
        carried = 0
    if carried:
        _tell_carried(session, offering, milestone, carried, division, now)
    if carried == amount:
        return None

    def divide(journal_id: int) -> escrow.Divided:
        return escrow.divide(
            session, offering=offering, amount_minor=amount, kind=escrow.RELEASED, milestone_id=milestone.id,
            journal_id=journal_id, part=division, now=now,
        )

    return _post(session, offering, milestone, published, divide, now)


def _tell_carried(
    session: Session, offering: Offering, milestone: Milestone, carried: int, division: int, now: dt.datetime
) -> None:
    audit.record(
        session, actor=SYSTEM, action="escrow.carried", object_id=milestone.public_id, now=now,
        after={"amount_minor": carried}, reason="Its payments can still be taken back.",
    )
    which = milestone.public_id if division == 1 else f"{milestone.public_id}:{division}"
    outbox.enqueue(
        session, "notice", {"kind": "tranche_carried", "offering_id": offering.id, "milestone_id": milestone.id},
        now=now, key=f"notice:tranche_carried:{which}",
    )


def release_carried(
    session: Session, offering: Offering, milestone: Milestone, published: Published, *, now: dt.datetime
) -> Release | None:
    """Release what has seasoned of a tranche, or all that waits of it once the reserve covers that (COM-10).

    Parts are numbered, and each is released once; None while nothing is due, releases are stopped, or the investors are
    asked whether they stay (OFF-11).
    """
    if offering.halted_since is not None or offering.releases_stopped:
        return None
    if shortfalls.reason_to_wait(session, offering) is not None:
        return None
    waiting = sum(each.amount_minor for each in carrying.carried_of_milestone(session, milestone.id))
    due = sum(each.amount_minor for each in carrying.carried_of_milestone(session, milestone.id, until=now))
    covered = due < waiting and reserve.covers(session, offering, waiting - due, now=now)
    if not due and not covered:
        return None
    def divide(journal_id: int) -> escrow.Divided:
        return carrying.release_part(
            session, offering=offering, milestone_id=milestone.id, journal_id=journal_id, covered=covered, now=now
        )

    return _post(session, offering, milestone, published, divide, now)


def _next_number(session: Session, milestone: Milestone, kind: str) -> int:
    """Return the number of a milestone's next part: releases and returns are numbered each on their own (REL-1)."""
    posted = sa.select(sa.func.count()).where(Release.milestone_id == milestone.id, Release.kind == kind)
    return 1 + (session.scalar(posted) or 0)


def _part(milestone: Milestone, number: int) -> str:
    """Return what names a part of a tranche: the first by the milestone alone."""
    return milestone.public_id if number == 1 else f"{milestone.public_id}:{number}"


def _post(
    session: Session, offering: Offering, milestone: Milestone, published: Published,
    divide: Callable[[int], escrow.Divided], now: dt.datetime,
) -> Release:
    """Post one part of a tranche as ``divide`` writes it: the money leg and the token leg in one journal (REL-1)."""
    number = _next_number(session, milestone, "released")
    token_class = session.get_one(TokenClass, offering.token_class_id)
    issuer = session.get_one(Issuer, offering.issuer_id)
    divided: list[escrow.Divided] = []

    def lines(journal_id: int) -> list[ledger.Line]:
        share = divide(journal_id)
        divided.append(share)
        fee = fee_minor(share.amount_minor, offering.fee_bp)
        return [
            ledger.debit(chart.escrow(offering.public_id, offering.currency), share.amount_minor),
            ledger.credit(
                chart.payable(issuer.public_id, offering.public_id, offering.currency), share.amount_minor - fee
            ),
            ledger.credit(chart.fees(offering.public_id, offering.currency), fee),
            ledger.debit(chart.outstanding(token_class.public_id, token_class.asset), share.tokens_issued),
            ledger.credit(chart.reserved(offering.public_id, token_class.asset), share.tokens_issued),
        ]

    posted = ledger.post(
        session, kind="released", key=f"release:{_part(milestone, number)}", cause=milestone.public_id,
        offering_id=offering.id, occurred_at=now, lines=lines,
    )
    if not posted.is_new:
        raise InvariantBroken(f"{_part(milestone, number)} was released before", code="released_twice")
    register.issue_from_statement(session, token_class_id=token_class.id, journal_id=posted.journal_id, now=now)
    amount = divided[0].amount_minor
    milestone.released_minor += amount
    record = _record(
        session, offering, milestone, published, "released", amount, fee_minor(amount, offering.fee_bp),
        divided[0].tokens_issued, posted, now, number,
    )
    payments.create_payout(session, release=record, offering=offering, now=now)
    return record


def return_money(
    session: Session,
    offering: Offering,
    milestone: Milestone | None,
    published: Published,
    amount: int,
    *,
    reason: str,
    now: dt.datetime,
) -> Release:
    """Return part of escrow to the investors by REL-2; their entitlement to its tokens lapses (WND-2, WND-3)."""
    token_class = session.get_one(TokenClass, offering.token_class_id)
    divided: list[escrow.Divided] = []

    def lines(journal_id: int) -> list[ledger.Line]:
        share = escrow.divide(
            session, offering=offering, amount_minor=amount, kind=escrow.RETURNED,
            milestone_id=milestone.id if milestone else None, journal_id=journal_id, now=now,
        )
        divided.append(share)
        return [
            ledger.debit(chart.escrow(offering.public_id, offering.currency), amount),
            ledger.credit(chart.refunds(offering.public_id, offering.currency), amount),
            ledger.debit(chart.unissued(token_class.public_id, token_class.asset), share.entitlement_lapsed),
            ledger.credit(chart.reserved(offering.public_id, token_class.asset), share.entitlement_lapsed),
        ]

    number = _next_number(session, milestone, "returned") if milestone else 1
    part = _part(milestone, number) if milestone else "rest"
    posted = ledger.post(
        session, kind="returned", key=f"return:{offering.public_id}:{part}",
        cause=milestone.public_id if milestone else offering.public_id, offering_id=offering.id, occurred_at=now,
        lines=lines,
    )
    if not posted.is_new:
        raise InvariantBroken(f"{offering.public_id}: {part} was returned before", code="returned_twice")
    escrow.owe_refunds(
        session, journal_id=posted.journal_id, reason=reason, due_at=commitments.refund_due(offering, now), now=now
    )
    return _record(session, offering, milestone, published, "returned", amount, 0, 0, posted, now, number)


def _record(
    session: Session, offering: Offering, milestone: Milestone | None, published: Published, kind: str, amount: int,
    fee: int, tokens: int, posted: ledger.Posted, now: dt.datetime, number: int = 1,
) -> Release:
    outside_id = public_id("rel")
    record = Release(
        public_id=outside_id, key=f"{kind}:{_part(milestone, number) if milestone else offering.public_id}", kind=kind,
        offering_id=offering.id, milestone_id=milestone.id if milestone else None, amount_minor=amount, fee_minor=fee,
        tokens=tokens, journal_id=posted.journal_id, content_hash="", occurred_at=now,
    )
    record.content_hash = release_hash(
        record, offering=offering, milestone=milestone.public_id if milestone else None, journal=posted.public_id,
        contract_hash=published.content_hash,
    )
    session.add(record)
    session.flush()
    audit.record(
        session, actor=SYSTEM, action=f"escrow.{kind}", object_id=outside_id, now=now,
        after={"amount_minor": amount, "fee_minor": fee, "tokens": tokens, "journal": posted.public_id},
    )
    outbox.enqueue(
        session, "notice", {"kind": f"money_{kind}", "release_id": record.id, "offering_id": offering.id}, now=now,
        key=f"notice:money_{kind}:{outside_id}",
    )
    return record


def release_hash(
    release: Release, *, offering: Offering, milestone: str | None, journal: str, contract_hash: str
) -> str:
    """Return the SHA-256 over RFC 8785 of a release; ``milestone`` and ``journal`` are public ids."""
    content = {
        "release": release.public_id, "kind": release.kind, "offering": offering.public_id,
        "milestone": milestone or "rest", "currency": offering.currency, "amount_minor": str(release.amount_minor),
        "fee_minor": str(release.fee_minor), "tokens": str(release.tokens), "journal": journal,
        "contract_hash": contract_hash, "at": release.occurred_at.isoformat(),
    }
    if (number := rules.part_number(release.key)) > 1:
        content["part"] = str(number)
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()
