"""Recompute the fingerprint of a record from what is stored, and say whether it is the one that was published.

Knows terms, submissions, attestations, releases and draws by lot. What the comparison proves to a person is said by
the page.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone, TermsVersion
from app.ledger.models import Journal
from app.offerings import lot_queries
from app.offerings.lot_models import Draw
from app.offerings.models import Offering
from app.progress import panel_signing, releases, rules, service
from app.progress.dispute_models import Dispute, DisputeFinding
from app.progress.models import Attestation, Evidence, Release, Submission
from milestones import document as documents
from milestones import lots


@dataclass(frozen=True, slots=True)
class Checked:
    """One record with the fingerprint that was published and the one recomputed now.

    ``facts`` are public: labels and texts. ``links`` name other records by role.
    """

    kind: str
    public_id: str
    offering: Offering
    at: dt.datetime
    stored_hash: str
    recomputed_hash: str
    facts: Mapping[str, str]
    links: Mapping[str, str]

    @property
    def is_unchanged(self) -> bool:
        return self.stored_hash == self.recomputed_hash


def find(session: Session, text: str) -> Checked | None:
    """Return the record with this id or this fingerprint (64 hexadecimal digits), None when there is none."""
    wanted = text.strip().lower()
    look = _BY_PREFIX.get(wanted.partition("_")[0])
    if look is not None:
        return look(session, wanted, None)
    if len(wanted) == 64 and all(each in "0123456789abcdef" for each in wanted):
        return next((found for by_hash in _BY_PREFIX.values() if (found := by_hash(session, None, wanted))), None)
    return None


def _where(model: type, column: str, public_id: str | None, digest: str | None) -> sa.ColumnElement[bool]:
    return model.public_id == public_id if public_id is not None else getattr(model, column) == digest


def _terms(session: Session, public_id: str | None, digest: str | None) -> Checked | None:
    row = session.execute(
        sa.select(TermsVersion, Offering)
        .join(Offering, Offering.contract_id == TermsVersion.contract_id)
        .where(_where(TermsVersion, "content_hash", public_id, digest))
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    terms, offering = row
    return Checked(
        "terms", terms.public_id, offering, terms.published_at, terms.content_hash,
        documents.contract_hash(documents.parse_document(json.loads(terms.document))),
        {"version": str(terms.number)}, {},
    )


def _submission(session: Session, public_id: str | None, digest: str | None) -> Checked | None:
    row = session.execute(
        sa.select(Submission, Milestone, Offering)
        .join(Milestone, Milestone.id == Submission.milestone_id)
        .join(Offering, Offering.id == Milestone.offering_id)
        .where(_where(Submission, "manifest_hash", public_id, digest), Submission.manifest_hash.is_not(None))
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    submission, milestone, offering = row
    files = session.execute(
        sa.select(Evidence.kind, Evidence.filename, Evidence.sha256, Evidence.size_bytes)
        .where(Evidence.submission_id == submission.id)
        .order_by(Evidence.ordinal)
    ).all()
    return Checked(
        "submission", submission.public_id, offering, submission.received_at, submission.manifest_hash,
        rules.manifest_hash(submission.contract_hash or "", milestone.key, submission.number, files),
        {"milestone": milestone.title, "files": str(len(files)), "contract_hash": submission.contract_hash or ""},
        {"milestone": milestone.public_id},
    )


def _attestation(session: Session, public_id: str | None, digest: str | None) -> Checked | None:
    row = session.execute(
        sa.select(Attestation, Submission, Milestone, Offering)
        .join(Submission, Submission.id == Attestation.submission_id)
        .join(Milestone, Milestone.id == Submission.milestone_id)
        .join(Offering, Offering.id == Milestone.offering_id)
        .where(_where(Attestation, "content_hash", public_id, digest))
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    attestation, submission, milestone, offering = row
    return Checked(
        "attestation", attestation.public_id, offering, attestation.signed_at, attestation.content_hash,
        service.attestation_hash(attestation, submission.public_id),
        {
            "auditor": people.party_name(session, attestation.party_id), "milestone": milestone.title,
            "contract_hash": attestation.contract_hash, "manifest_hash": attestation.manifest_hash,
        },
        {"submission": submission.public_id},
    )


def _finding(session: Session, public_id: str | None, digest: str | None) -> Checked | None:
    row = session.execute(
        sa.select(DisputeFinding, Dispute, Milestone, Offering)
        .join(Dispute, Dispute.id == DisputeFinding.dispute_id)
        .join(Milestone, Milestone.id == Dispute.milestone_id)
        .join(Offering, Offering.id == Milestone.offering_id)
        # Before the decision nobody sees a panel's findings, nor that they exist (MIL-7).
        .where(_where(DisputeFinding, "content_hash", public_id, digest), Dispute.outcome.is_not(None))
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    finding, dispute, milestone, offering = row
    return Checked(
        "attestation", finding.public_id, offering, finding.signed_at, finding.content_hash,
        panel_signing.finding_hash(finding, dispute.public_id),
        {
            "auditor": people.party_name(session, finding.party_id), "milestone": milestone.title,
            "contract_hash": finding.contract_hash, "manifest_hash": finding.manifest_hash,
        },
        {},
    )


def _release(session: Session, public_id: str | None, digest: str | None) -> Checked | None:
    row = session.execute(
        sa.select(Release, Offering, Journal.public_id, Milestone)
        .join(Offering, Offering.id == Release.offering_id)
        .join(Journal, Journal.id == Release.journal_id)
        .outerjoin(Milestone, Milestone.id == Release.milestone_id)
        .where(_where(Release, "content_hash", public_id, digest))
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    release, offering, journal, milestone = row
    # Of the versions published by then, the one that it was posted under gives its hash.
    until = contract_queries.hashes_until(session, offering.contract_id, release.occurred_at)
    for contract_hash in until:
        recomputed = releases.release_hash(
            release, offering=offering, milestone=milestone.public_id if milestone else None, journal=journal,
            contract_hash=contract_hash,
        )
        if recomputed == release.content_hash:
            break
    return Checked(
        "release" if release.kind == "released" else "return", release.public_id, offering, release.occurred_at,
        release.content_hash, recomputed,
        {
            "milestone": milestone.title if milestone else "", "amount_minor": str(release.amount_minor),
            "part": rules.part_name(milestone.ordinal, release.key) if milestone and milestone.ordinal else "",
            "tokens": str(release.tokens), "contract_hash": contract_hash, "journal": journal,
        },
        {},
    )


def _draw(session: Session, public_id: str | None, digest: str | None) -> Checked | None:
    """A draw by lot, with every rank worked out anew from its seed (MIL-9)."""
    draw_id = public_id or session.execute(sa.select(Draw.public_id).where(Draw.content_hash == digest)).scalar()
    found = lot_queries.shown(session, draw_id) if draw_id else None
    if found is None:
        return None
    is_committed = lots.commitment(found.seed.seed) == found.seed.commitment
    return Checked(
        "draw", found.draw.public_id, found.offering, found.draw.drawn_at, found.draw.content_hash,
        found.recomputed_hash if is_committed else lots.commitment(found.seed.seed),
        {"candidates": str(len(found.tickets)), "seats": str(found.draw.seats)}, {"draw": found.draw.public_id},
    )


_Look = Callable[[Session, str | None, str | None], Checked | None]

_BY_PREFIX: Mapping[str, _Look] = MappingProxyType(
    {"trm": _terms, "sub": _submission, "att": _attestation, "dfn": _finding, "rel": _release, "drw": _draw}
)


def files_with(session: Session, digest: str) -> list[tuple[str, str, dt.datetime]]:
    """Return the handed-in submissions that hold a file with this fingerprint: id, milestone's title, received at."""
    rows = session.execute(
        sa.select(Submission.public_id, Milestone.title, Submission.received_at)
        .join(Evidence, Evidence.submission_id == Submission.id)
        .join(Milestone, Milestone.id == Submission.milestone_id)
        .where(Evidence.sha256 == digest.strip().lower(), Submission.received_at.is_not(None))
        .order_by(Submission.id)
        .limit(20)
    )
    return [tuple(row) for row in rows]
