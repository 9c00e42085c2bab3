"""Who may audit an offering: computed from what the platform knows, with the reason in words (MIL-8).

Knows the team, the holders and the investors of this offering's issuer, and shared mail domains; shared
employers, addresses and accounts come with the data they need.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.errors import Refused
from app.offerings.models import Issuer, Offering

#: Mail domains that say nothing about who employs somebody.
PUBLIC_DOMAINS = frozenset(
    {"gmail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com", "proton.me", "protonmail.com", "gmx.net",
     "gmx.de", "web.de", "mail.com", "aol.com", "live.com"}
)


def known_auditors(session: Session, offering: Offering) -> dict[str, str | None]:
    """Map every approved auditor's public party id to why they may not audit this offering, or None."""
    issuer = session.get_one(Issuer, offering.issuer_id)
    team = people.members_of(session, issuer.party_id)
    team_parties = {user.party_id for user in team}
    team_domains = people.mail_domains_of(session, issuer.party_id) - PUBLIC_DOMAINS
    investors = _investors(session, issuer.id)
    reasons: dict[str, str | None] = {}
    for auditor in people.auditors(session):
        reason = None
        if auditor.party_id in team_parties:
            reason = f"{auditor.name} belongs to the company's team."
        elif auditor.party_id in investors:
            reason = f"{auditor.name} has invested in this company."
        elif auditor.mail_domain in team_domains:
            reason = f"{auditor.name} shares the mail domain {auditor.mail_domain} with the company."
        reasons[auditor.public_id] = reason
    return reasons


def demand_independent_panel(session: Session, offering: Offering, panel: Sequence[str], *, field: str) -> None:
    """Refuse a panel (public party ids) of which one is not independent of the issuer or of another (MIL-8).

    Of each other: no shared member and no shared mail domain, public ones ignored. Raises ``Refused``
    ``auditor_not_independent`` with the reason.
    """
    reasons = known_auditors(session, offering)
    for auditor in panel:
        if reasons.get(auditor):
            raise Refused(reasons[auditor] or "", code="auditor_not_independent", field=field)
    seated = [auditor for auditor in people.auditors(session) if auditor.public_id in panel]
    ties: dict[str, str] = {}
    for auditor in seated:
        members = {f"member {user.id}" for user in people.members_of(session, auditor.party_id)}
        domains = {auditor.mail_domain} - PUBLIC_DOMAINS
        for tie in members | domains:
            if tie in ties:
                raise Refused(
                    f"{auditor.name} and {ties[tie]} are not independent of each other: they share "
                    f"{tie if tie in domains else 'a person'}.",
                    code="auditor_not_independent",
                    field=field,
                )
            ties[tie] = auditor.name


def _investors(session: Session, issuer_id: int) -> set[int]:
    """Return the parties with a commitment in any offering of the issuer.

    Reads the table by name: commitments are a later feature, which this one may not import.
    """
    commitment = sa.table("commitment", sa.column("party_id"), sa.column("offering_id"))
    rows = session.execute(
        sa.select(commitment.c.party_id)
        .join(Offering, Offering.id == commitment.c.offering_id)
        .where(Offering.issuer_id == issuer_id)
        .distinct()
    )
    return set(rows.scalars())
