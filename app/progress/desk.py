"""Read what founders and auditors work on: a milestone with its evidence, an auditor's seats and reviews.

Whoever may not see a thing gets ``NotFound``; the two are never told apart. Nothing here writes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.accounts.actor import Actor
from app.commitments.models import Commitment
from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.contracts.models import Appointment, Milestone
from app.errors import NotFound
from app.offerings import independence
from app.offerings.models import Issuer, Offering
from app.progress import retention, withdrawals
from app.progress import service as progress
from app.progress.dispute_models import Dispute, DisputeSeat
from app.progress.models import Attestation, AttestationWithdrawal, Evidence, Submission
from milestones import money
from milestones.apportion import tranche_amounts
from milestones.terms import MilestoneTerms, Terms

READERS = ("operator", "supervisor")
GIVEN_UP = ("recused", "replaced")


@dataclass(frozen=True, slots=True)
class Place:
    """A milestone with the offering and the company it belongs to; ``terms`` is None for the closing tranche."""

    milestone: Milestone
    offering: Offering
    issuer: Issuer
    terms: MilestoneTerms | None
    content_hash: str

    @property
    def asset(self) -> money.Asset:
        return money.Asset.parse(self.offering.currency)

    @property
    def asked(self) -> MilestoneTerms | None:
        """What a submission answers now: the milestone's criteria, or what its retained part waits for (MIL-11)."""
        if self.terms is not None and self.terms.retainage and self.milestone.state == "retained":
            return self.terms.retention
        return self.terms

    @property
    def words(self) -> dict[str, str]:
        """The words of every criterion that was ever judged here, by its key."""
        if self.terms is None:
            return {}
        criteria = (*self.terms.criteria, *(self.terms.retention.criteria if self.terms.retainage else ()))
        return {criterion.key: criterion.text for criterion in criteria}

    @property
    def evidence_kinds(self) -> tuple[str, ...]:
        """Every kind of evidence that a criterion asks for now, each once, in the contract's order."""
        criteria = self.asked.criteria if self.asked else ()
        return tuple(dict.fromkeys(kind for criterion in criteria for kind in criterion.evidence))


def _placed() -> sa.Select[tuple[Milestone, Offering, Issuer]]:
    return (
        sa.select(Milestone, Offering, Issuer)
        .join(Offering, Offering.id == Milestone.offering_id)
        .join(Issuer, Issuer.id == Offering.issuer_id)
    )


def _place(session: Session, row: sa.Row[tuple[Milestone, Offering, Issuer]]) -> Place:
    milestone, offering, issuer = row
    published = contract_queries.published_terms(session, offering.terms_version_id or 0)
    terms = published.terms.milestone(milestone.ordinal) if milestone.ordinal else None
    return Place(milestone, offering, issuer, terms, published.content_hash)


def milestone_for_reader(session: Session, actor: Actor, milestone_id: str) -> Place:
    """Return a milestone for somebody who may see its evidence; raises ``NotFound``."""
    row = session.execute(_placed().where(Milestone.public_id == milestone_id)).one_or_none()
    if row is None or not may_see_evidence(session, actor, row[0], row[2]):
        raise NotFound("There is no such milestone.", code="milestone_not_found")
    return _place(session, row)


def milestone_of_founder(session: Session, actor: Actor, milestone_id: str) -> Place:
    """Return a milestone of the actor's own company; raises ``NotFound``."""
    row = session.execute(_placed().where(Milestone.public_id == milestone_id)).one_or_none()
    if row is None or not actor.acts_for(row[2].party_id, "founder"):
        raise NotFound("There is no such milestone.", code="milestone_not_found")
    return _place(session, row)


def may_see_evidence(session: Session, actor: Actor, milestone: Milestone, issuer: Issuer) -> bool:
    """Whether the actor is of the company, on its panel, an investor here, an operator or a supervisor."""
    if actor.acts_for(issuer.party_id, "founder") or any(actor.has_role(role) for role in READERS):
        return True
    auditing = actor.parties("auditor")
    if auditing and not auditing.isdisjoint(contract_queries.auditor_parties(session, milestone.contract_id)):
        return True
    if auditing and _sits_on_panel(session, auditing, milestone):
        return True
    return _has_invested(session, actor.parties("investor"), milestone.offering_id)


def _sits_on_panel(session: Session, parties: Collection[int], milestone: Milestone) -> bool:
    """Whether one of these auditors was drawn for a dispute about the milestone (MIL-10)."""
    seat = (
        sa.select(DisputeSeat.id).join(Dispute, Dispute.id == DisputeSeat.dispute_id)
        .where(Dispute.milestone_id == milestone.id, DisputeSeat.party_id.in_(list(parties)))
    )
    return session.scalar(sa.select(seat.exists())) is True


def _has_invested(session: Session, parties: Collection[int], offering_id: int) -> bool:
    if not parties:
        return False
    return bool(
        session.scalar(
            sa.select(
                sa.exists().where(Commitment.offering_id == offering_id, Commitment.party_id.in_(list(parties)))
            )
        )
    )


@dataclass(frozen=True, slots=True)
class Handed:
    """A submission with its files."""

    submission: Submission
    files: tuple[Evidence, ...]


def submissions_of(session: Session, place: Place, *, drafts: bool) -> list[Handed]:
    """Return a milestone's submissions with their files, newest first; drafts for the company only."""
    was_received = Submission.received_at.is_not(None)
    shown = sa.or_(was_received, Submission.status == "draft") if drafts else was_received
    rows = session.scalars(
        sa.select(Submission)
        .where(Submission.milestone_id == place.milestone.id, shown)
        .order_by(Submission.number.desc())
    ).all()
    files: dict[int, list[Evidence]] = {row.id: [] for row in rows}
    found = session.scalars(
        sa.select(Evidence).where(Evidence.submission_id.in_(list(files))).order_by(Evidence.ordinal)
    )
    for each in found:
        files[each.submission_id].append(each)
    return [Handed(row, tuple(files[row.id])) for row in rows]


def evidence_for_reader(session: Session, actor: Actor, evidence_id: str) -> Evidence:
    """Return a file's record for somebody who may see it; a draft's only for its company. Raises ``NotFound``."""
    row = session.execute(
        sa.select(Evidence, Submission.received_at, Milestone, Issuer)
        .join(Submission, Submission.id == Evidence.submission_id)
        .join(Milestone, Milestone.id == Submission.milestone_id)
        .join(Offering, Offering.id == Milestone.offering_id)
        .join(Issuer, Issuer.id == Offering.issuer_id)
        .where(Evidence.public_id == evidence_id)
    ).one_or_none()
    if row is not None:
        evidence, received_at, milestone, issuer = row
        is_frozen = received_at is not None
        if actor.acts_for(issuer.party_id, "founder") or (
            is_frozen and may_see_evidence(session, actor, milestone, issuer)
        ):
            return evidence
    raise NotFound("There is no such file.", code="evidence_not_found")


# -- the auditor's desk -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seat:
    """An appointment to a milestone, before or after the offering's launch (then there is a milestone)."""

    appointment: Appointment
    offering: Offering
    issuer: Issuer
    plan: Terms
    terms: MilestoneTerms
    milestone: Milestone | None

    @property
    def asset(self) -> money.Asset:
        return money.Asset.parse(self.offering.currency)

    @property
    def at_stake_minor(self) -> int:
        """The tranche in money: what it is, or at most will be."""
        if self.milestone is not None and self.milestone.tranche_minor is not None:
            return self.milestone.tranche_minor
        amounts = tranche_amounts(self.offering.maximum_minor, [each.bp for each in self.plan.tranches])
        return next(
            amount for each, amount in zip(self.plan.tranches, amounts, strict=True) if each.key == self.terms.key
        )


@dataclass(frozen=True, slots=True)
class Review:
    """A submission that waits for, or has, one auditor's findings."""

    seat: Seat
    submission: Submission
    mine: Attestation | None
    signed: int

    @property
    def due_at(self) -> dt.datetime | None:
        return self.submission.review_due_at


def seats_of(session: Session, parties: Collection[int], *, states: Sequence[str]) -> list[Seat]:
    """Return the appointments of these auditors in these states, the one to answer first first."""
    rows = session.execute(
        sa.select(Appointment, Offering, Issuer, Milestone)
        .join(Offering, Offering.contract_id == Appointment.contract_id)
        .join(Issuer, Issuer.id == Offering.issuer_id)
        .outerjoin(
            Milestone,
            sa.and_(Milestone.contract_id == Appointment.contract_id, Milestone.key == Appointment.milestone_key),
        )
        .where(Appointment.party_id.in_(list(parties)), Appointment.state.in_(states))
        .order_by(Appointment.answer_by, Appointment.id)
    ).all()
    agreed: dict[int, Terms] = {}
    seats = []
    for appointment, offering, issuer, milestone in rows:
        if offering.id not in agreed:
            agreed[offering.id] = _terms_of(session, offering)
        terms = next((m for m in agreed[offering.id].milestones if m.key == appointment.milestone_key), None)
        if terms is not None:
            seats.append(Seat(appointment, offering, issuer, agreed[offering.id], terms, milestone))
    return seats


def _terms_of(session: Session, offering: Offering) -> Terms:
    if offering.terms_version_id is not None:
        return contract_queries.published_terms(session, offering.terms_version_id).terms
    return contracts.draft_terms(contract_queries.contract(session, offering.contract_id))


def seat_of(session: Session, actor: Actor, appointment_id: str) -> Seat:
    """Return one of the actor's own appointments; raises ``NotFound``."""
    for seat in seats_of(session, actor.parties("auditor"), states=["appointed", "accepted", "declined"]):
        if seat.appointment.public_id == appointment_id:
            return seat
    raise NotFound("There is no such appointment.", code="appointment_not_found")


def reviews_of(session: Session, parties: Collection[int]) -> list[Review]:
    """Return the submissions on whose panels these auditors sit, the one due first first, decided ones last."""
    held = seats_of(session, parties, states=["accepted", *GIVEN_UP])
    seats = {seat.milestone.id: seat for seat in held if seat.milestone is not None}
    sits = {seat.milestone.id for seat in held if seat.milestone is not None and seat.appointment.state == "accepted"}
    submissions = session.scalars(
        sa.select(Submission)
        .where(Submission.milestone_id.in_(list(seats)), Submission.received_at.is_not(None))
        .order_by(Submission.decided_at.is_not(None), Submission.review_due_at, Submission.id)
    ).all()
    ids = [submission.id for submission in submissions]
    mine = {
        each.submission_id: each for each in session.scalars(
            sa.select(Attestation).where(Attestation.submission_id.in_(ids), Attestation.party_id.in_(list(parties)))
        )
    }
    signed = session.scalars(
        sa.select(Attestation).where(Attestation.submission_id.in_(ids), progress.stands())
    ).all()
    counts: dict[int, int] = {}
    for each in signed:
        counts[each.submission_id] = counts.get(each.submission_id, 0) + 1
    return [
        Review(_judging(seats[each.milestone_id], each), each, mine.get(each.id), counts.get(each.id, 0))
        for each in submissions
        # Who gave a seat up keeps what they signed, and sees nothing else of it.
        if each.milestone_id in sits or each.id in mine
    ]


def _judging(seat: Seat, submission: Submission) -> Seat:
    """Return the seat with the terms that a submission answers."""
    return replace(seat, terms=retention.judged(seat.terms, submission))


def review_for(session: Session, actor: Actor, submission_id: str) -> Review:
    """Return one submission that the actor reviews or reviewed; raises ``NotFound``."""
    for review in reviews_of(session, actor.parties("auditor")):
        if review.submission.public_id == submission_id:
            return review
    raise NotFound("There is no such submission for you to review.", code="submission_not_found")


def independence_of(session: Session, seat: Seat) -> str | None:
    """Return why an auditor may not judge this company, None when they may (MIL-8)."""
    public = next(
        (each.public_id for each in people.auditors(session) if each.party_id == seat.appointment.party_id), None
    )
    if public is None:
        return "You are not an approved auditor any more."
    return independence.known_auditors(session, seat.offering).get(public)


@dataclass(frozen=True, slots=True)
class Signature:
    """An attestation as its page shows it, with the name of whoever signed."""

    attestation: Attestation
    submission: Submission
    name: str
    withdrawal: AttestationWithdrawal | None = None


def signature_of(session: Session, actor: Actor, attestation_id: str) -> Signature:
    """Return one of the actor's own attestations; raises ``NotFound``."""
    row = session.execute(
        sa.select(Attestation, Submission)
        .join(Submission, Submission.id == Attestation.submission_id)
        .where(Attestation.public_id == attestation_id, Attestation.party_id.in_(list(actor.parties("auditor"))))
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such attestation.", code="attestation_not_found")
    taken_back = withdrawals.of_attestation(session, row[0].id)
    return Signature(row[0], row[1], people.party_name(session, row[0].party_id), taken_back)


def signatures_on(session: Session, submission: Submission) -> list[Signature]:
    """Return every attestation on a submission, for whoever may see them (MIL-7 is the caller's)."""
    rows = progress.attestations_of(session, submission.id)
    names = people.party_names(session, {row.party_id for row in rows})
    return [Signature(row, submission, names[row.party_id]) for row in rows]
