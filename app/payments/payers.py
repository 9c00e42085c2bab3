"""Keep what a rail tells of who paid, compare the name, and look for links (COM-11, COM-12).

The name as it came is kept in a table of its own, which can be erased; what is compared later are keyed hashes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import Party
from app.commitments import links
from app.commitments.models import Commitment
from app.commitments.rules import account_form
from app.investors import queries as investors
from app.offerings.models import Offering
from app.payments import payer_names, ports
from app.payments.models import Operation, PayerReport

MAX_NAME_CHARACTERS = 200


def take_down(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, payer: ports.Payer | None, *,
    now: dt.datetime,
) -> str:
    """Keep who paid and return how the name compares with the investor's: a result of ``payer_names``.

    The offering is locked. What the payer has in common with others marks commitments at once.
    """
    if payer is None or not any((payer.name, payer.account, payer.card)):
        return payer_names.NOT_TOLD
    verified = investors.verified_name(session, commitment.party_id)
    result = payer_names.compare(payer.name, verified or session.get_one(Party, commitment.party_id).name)
    name = payer.name[:MAX_NAME_CHARACTERS] if payer.name else None
    session.add(PayerReport(operation_id=operation.id, name=name, result=result, reported_at=now))
    session.flush()
    facts = _facts(payer)
    if facts:
        links.note_facts(session, commitment.party_id, facts, now=now)
        links.find(session, offering, now=now, party_id=commitment.party_id)
    return result


def _facts(payer: ports.Payer) -> dict[str, str]:
    """Return what can be shared with others, each in the form in which it is compared."""
    words = payer_names.words_of(payer.name) if payer.name else ()
    facts = {
        "payer_name": " ".join(words), "account": account_form(payer.account or ""),
        "card": account_form(payer.card or ""),
    }
    return {kind: value for kind, value in facts.items() if value}


def reports_of(session: Session, operation_ids: Sequence[int]) -> dict[int, PayerReport]:
    """Return what was told of who paid, by operation; one query."""
    rows = session.scalars(sa.select(PayerReport).where(PayerReport.operation_id.in_(list(operation_ids))))
    return {row.operation_id: row for row in rows}
