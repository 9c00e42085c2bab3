"""Read contracts: published terms, milestones, and the running plan that the engine works on."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.contracts.importing import ContractFile, ContractFileError, FileProblem, read_contract, write_yaml
from app.contracts.models import SEATED, Appointment, Contract, Milestone, TermsVersion
from milestones import document as documents
from milestones.plan import MilestoneState, Plan
from milestones.terms import WIND_DOWN, Terms

__all__ = [
    "ContractFile",
    "ContractFileError",
    "FileProblem",
    "Panellist",
    "Published",
    "appointments_of_party",
    "auditor_parties",
    "contract",
    "hashes_until",
    "milestones_of",
    "milestones_of_contracts",
    "panels",
    "plan_from",
    "published_terms",
    "read_contract",
    "version_by_hash",
    "write_yaml",
]


@dataclass(frozen=True, slots=True)
class Panellist:
    """An auditor appointed to a milestone: name, and whether they consented (MIL-9)."""

    party_id: int
    name: str
    state: str


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
    return Published(row.id, row.public_id, row.number, row.content_hash, _terms(row.document))


def version_by_hash(session: Session, contract_id: int, content_hash: str) -> Published | None:
    """Return the contract's version with this hash, None when it has none."""
    found = session.scalar(
        sa.select(TermsVersion.id)
        .where(TermsVersion.contract_id == contract_id, TermsVersion.content_hash == content_hash)
        .order_by(TermsVersion.number)
        .limit(1)
    )
    return None if found is None else published_terms(session, found)


def hashes_until(session: Session, contract_id: int, instant: dt.datetime) -> list[str]:
    """Return the hashes of the versions published by an instant, the newest first."""
    return list(
        session.scalars(
            sa.select(TermsVersion.content_hash)
            .where(TermsVersion.contract_id == contract_id, TermsVersion.published_at <= instant)
            .order_by(TermsVersion.number.desc())
        )
    )


@lru_cache(maxsize=512)
def _terms(document: str) -> Terms:
    """Return what a frozen document says; the same text always gives the same values, so it is read once."""
    return documents.parse_document(json.loads(document))


def milestones_of(session: Session, contract_id: int, *, lock: bool = False) -> list[Milestone]:
    """Return the contract's milestones in order; with ``lock`` their rows are locked in that order."""
    query = sa.select(Milestone).where(Milestone.contract_id == contract_id).order_by(Milestone.ordinal)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return list(session.execute(query).scalars())


def milestones_of_contracts(session: Session, contract_ids: Sequence[int]) -> dict[int, list[Milestone]]:
    """Return the milestones of several contracts, each in order; contracts without any are left out."""
    found: dict[int, list[Milestone]] = {}
    rows = session.execute(
        sa.select(Milestone).where(Milestone.contract_id.in_(list(contract_ids))).order_by(Milestone.ordinal)
    ).scalars()
    for row in rows:
        found.setdefault(row.contract_id, []).append(row)
    return found


def panels(session: Session, contract_id: int) -> dict[str, list[Panellist]]:
    """Return the auditors of each milestone (by its key) who sit there, or sat there when findings were due."""
    rows = session.execute(
        sa.select(Appointment)
        .where(Appointment.contract_id == contract_id, Appointment.state.in_([*SEATED, "replaced"]))
        .order_by(Appointment.id)
    ).scalars().all()
    names = people.party_names(session, {row.party_id for row in rows})
    found: dict[str, list[Panellist]] = {}
    for row in rows:
        found.setdefault(row.milestone_key, []).append(Panellist(row.party_id, names[row.party_id], row.state))
    return found


def plan_from(
    terms: Terms, milestones: Sequence[Milestone], *, unreleased_minor: int, winding_down: bool
) -> Plan:
    """Map rows to the engine's plan (tranches unknown before close count as 0)."""
    return Plan(
        order=terms.order,
        milestones=tuple(_milestone_state(terms, row) for row in milestones),
        unreleased_minor=unreleased_minor,
        winding_down=winding_down,
        tail_waits=terms.tail_waits,
    )


def _milestone_state(terms: Terms, row: Milestone) -> MilestoneState:
    agreed = terms.milestone(row.ordinal) if row.ordinal else None
    retainage = agreed.retainage if agreed else None
    return MilestoneState(
        ordinal=row.ordinal, key=row.key, state=row.state, tranche_minor=row.tranche_minor or 0,
        tries_left=row.tries_left, bp=row.tranche_bp, on_failure=agreed.on_failure if agreed else WIND_DOWN,
        released_minor=row.decided_minor, returned_minor=row.returned_minor, counted_minor=row.counted_minor,
        reporting_minor=row.reporting_minor, share_pct=row.share_pct, verdict_pct=row.verdict_pct, parts=row.parts,
        partial_releases=agreed.partial_releases if agreed else 0, retainage_bp=retainage.bp if retainage else 0,
        reporting_bp=agreed.reporting_retainage_bp if agreed else 0, was_asked=row.asked_at is not None,
    )


def appointments_of_party(session: Session, party_id: int) -> list[Appointment]:
    """Return an auditor's appointments, newest first."""
    return list(
        session.execute(
            sa.select(Appointment).where(Appointment.party_id == party_id).order_by(Appointment.id.desc())
        ).scalars()
    )


def auditor_parties(session: Session, contract_id: int) -> frozenset[int]:
    """Return the parties who hold a seat of any milestone of the contract."""
    rows = session.execute(
        sa.select(Appointment.party_id).where(
            Appointment.contract_id == contract_id, Appointment.state.in_(SEATED)
        )
    )
    return frozenset(rows.scalars())
