"""Read contracts: published terms, milestones, and the running plan that the engine works on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contracts.models import Appointment, Contract, Milestone, TermsVersion
from milestones import document as documents
from milestones.plan import MilestoneState, Plan
from milestones.terms import WIND_DOWN, Terms


@dataclass(frozen=True, slots=True)
class Published:
    """A version of published terms with its hash."""

    id: int
    public_id: str
    number: int
    content_hash: str
    terms: Terms


def contract(session: Session, contract_id: int) -> Contract:
    """Return the contract's row."""
    return session.get_one(Contract, contract_id)


def published_terms(session: Session, terms_version_id: int) -> Published:
    """Return a published version, its document read back from the frozen canonical form."""
    row = session.get_one(TermsVersion, terms_version_id)
    return Published(
        row.id, row.public_id, row.number, row.content_hash, documents.parse_document(json.loads(row.document))
    )


def milestones_of(session: Session, contract_id: int, *, lock: bool = False) -> list[Milestone]:
    """Return the contract's milestones in order; with ``lock`` their rows are locked in that order."""
    query = sa.select(Milestone).where(Milestone.contract_id == contract_id).order_by(Milestone.ordinal)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return list(session.execute(query).scalars())


def plan_from(
    terms: Terms, milestones: Sequence[Milestone], *, unreleased_minor: int, winding_down: bool
) -> Plan:
    """Map rows to the engine's plan (tranches unknown before close count as 0)."""
    return Plan(
        order=terms.order,
        milestones=tuple(
            MilestoneState(
                ordinal=row.ordinal,
                key=row.key,
                state=row.state,
                tranche_minor=row.tranche_minor or 0,
                tries_left=row.tries_left,
                bp=row.tranche_bp,
                on_failure=terms.milestone(row.ordinal).on_failure if row.ordinal else WIND_DOWN,
            )
            for row in milestones
        ),
        unreleased_minor=unreleased_minor,
        winding_down=winding_down,
    )


def appointments_of_party(session: Session, party_id: int) -> list[Appointment]:
    """Return an auditor's appointments, newest first."""
    return list(
        session.execute(
            sa.select(Appointment).where(Appointment.party_id == party_id).order_by(Appointment.id.desc())
        ).scalars()
    )


def auditor_parties(session: Session, contract_id: int) -> frozenset[int]:
    """Return the parties appointed to any milestone of the contract and not declined."""
    rows = session.execute(
        sa.select(Appointment.party_id).where(
            Appointment.contract_id == contract_id, Appointment.state != "declined"
        )
    )
    return frozenset(rows.scalars())
