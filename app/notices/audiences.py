"""Find the users an event concerns, and each one's own figures, as one query each (PPL-5).

A query's first column is ``user_id``; the others are whole numbers that become part of that user's notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import sqlalchemy as sa

from app.accounts.models import Membership
from app.accounts.queries import IN_FORCE
from app.commitments.models import HOLDS_PLACE, Commitment, EscrowStatement, Refund
from app.commitments.reconfirm_models import Reconfirmation
from app.commitments.waiting_models import WaitingEntry
from app.notices.happened import Happened
from app.progress.dispute_models import DisputeSeat
from app.progress.halt_models import PollAnswer

Query = sa.Select  # type: ignore[type-arg]


def users_of(audience: str, found: Happened) -> Query:
    """Return the query of an audience of :data:`app.notices.rules.AUDIENCES`."""
    return _QUERIES[audience](found)


def _investors(party_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Who acts, or once acted, as an investor for a party: what one owns stays one's own."""
    return sa.and_(
        Membership.party_id == party_id, Membership.role == "investor", Membership.approved_at.is_not(None)
    )


def _sum(amount: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.cast(sa.func.coalesce(sa.func.sum(amount), 0), sa.BigInteger)


def _statement(found: Happened) -> Query:
    assert found.offering is not None
    row = EscrowStatement
    return (
        sa.select(
            Membership.user_id,
            _sum(row.amount_minor).label("unreleased_minor"),
            _sum(sa.case((row.kind == "released", -row.amount_minor), else_=0)).label("released_minor"),
            _sum(sa.case((row.kind == "returned", -row.amount_minor), else_=0)).label("returned_minor"),
            _sum(row.tokens_issued).label("tokens"),
        )
        .join(Membership, _investors(row.party_id))
        .where(row.offering_id == found.offering.id)
        .group_by(Membership.user_id)
    )


def _holders(found: Happened) -> Query:
    held = sa.func.sum(EscrowStatement.amount_minor) > 0
    return _statement(found).where(EscrowStatement.occurred_at <= found.at).having(held)


def _holders_before(found: Happened) -> Query:
    held = sa.func.sum(EscrowStatement.amount_minor) > 0
    return _statement(found).where(EscrowStatement.occurred_at < found.at).having(held)


def _settled(found: Happened) -> Query:
    moved = sa.func.sum(sa.case((EscrowStatement.kind.in_(["released", "returned"]), 1), else_=0)) > 0
    return _statement(found).where(EscrowStatement.occurred_at <= found.at).having(moved)


def _moved(found: Happened) -> Query:
    row = EscrowStatement
    return (
        sa.select(
            Membership.user_id,
            _sum(-row.amount_minor).label("my_amount_minor"),
            _sum(row.tokens_issued).label("tokens"),
            _sum(row.unreleased_after_minor).label("unreleased_minor"),
        )
        .join(Membership, _investors(row.party_id))
        .where(row.journal_id == found.journal_id)
        .group_by(Membership.user_id)
    )


def _commitments(found: Happened) -> Query:
    assert found.offering is not None
    return (
        sa.select(Membership.user_id, _sum(Commitment.amount_minor).label("my_amount_minor"))
        .join(Membership, _investors(Commitment.party_id))
        .where(Commitment.offering_id == found.offering.id)
        .group_by(Membership.user_id)
    )


def _places(found: Happened) -> Query:
    # Those whose place this close let lapse a moment later heard of the deadline all the same.
    lapsed = sa.and_(Commitment.status == "lapsed", Commitment.status_since >= found.at)
    return _commitments(found).where(sa.or_(Commitment.status.in_(HOLDS_PLACE), lapsed))


def _lapsed(found: Happened) -> Query:
    ended = sa.and_(Commitment.status == "lapsed", Commitment.status_since >= found.at)
    if found.event != "offering_withdrawing":
        return _commitments(found).where(ended)
    # The worker lets them lapse in a moment; they are told now.
    unpaid = Commitment.status.in_([each for each in HOLDS_PLACE if each != "held"])
    return _commitments(found).where(sa.or_(ended, unpaid))


def _waited(found: Happened) -> Query:
    assert found.offering is not None
    return (
        sa.select(Membership.user_id, _sum(WaitingEntry.amount_minor).label("my_amount_minor"))
        .join(Membership, _investors(WaitingEntry.party_id))
        .where(
            WaitingEntry.offering_id == found.offering.id, WaitingEntry.status == "lapsed",
            WaitingEntry.status_since == found.at,
        )
        .group_by(Membership.user_id)
    )


def _payer(found: Happened) -> Query:
    return sa.select(Membership.user_id).where(_investors(sa.literal(found.party_id))).distinct()


def _polled(found: Happened) -> Query:
    stays = sa.case((PollAnswer.choice == "yes", PollAnswer.weight_minor), else_=0)
    return (
        sa.select(
            Membership.user_id, _sum(PollAnswer.weight_minor).label("unreleased_minor"),
            _sum(stays).label("stays_minor"),
        )
        .join(Membership, _investors(PollAnswer.party_id))
        .where(PollAnswer.poll_id == found.poll_id)
        .group_by(Membership.user_id)
    )


def _asked(found: Happened) -> Query:
    waiting = sa.select(Reconfirmation.commitment_id).where(
        Reconfirmation.change_id == found.change_id, Reconfirmation.answer.is_(None)
    )
    return _commitments(found).where(Commitment.id.in_(waiting))


def _silent(found: Happened) -> Query:
    ended = sa.select(Reconfirmation.commitment_id).where(
        Reconfirmation.change_id == found.change_id, Reconfirmation.answer == "silent",
        Reconfirmation.answered_at == found.at,
    )
    back = (
        sa.select(Refund.commitment_id, sa.func.sum(Refund.amount_minor).label("amount"))
        .where(Refund.reason == "not_reconfirmed")
        .group_by(Refund.commitment_id)
        .subquery("back")
    )
    return (
        _commitments(found)
        .add_columns(_sum(back.c.amount).label("refund_minor"))
        .outerjoin(back, back.c.commitment_id == Commitment.id)
        .where(Commitment.id.in_(ended))
    )


def _founders(found: Happened) -> Query:
    assert found.issuer is not None
    return (
        sa.select(Membership.user_id)
        .where(Membership.party_id == found.issuer.party_id, Membership.role == "founder", IN_FORCE)
        .distinct()
    )


def _auditors(party_ids: list[int]) -> Query:
    return (
        sa.select(Membership.user_id)
        .where(Membership.party_id.in_(party_ids), Membership.role == "auditor", IN_FORCE)
        .distinct()
    )


def _drawn(found: Happened) -> Query:
    seats = sa.select(DisputeSeat.party_id).where(
        DisputeSeat.dispute_id == found.dispute_id, DisputeSeat.state != "replaced"
    )
    return (
        sa.select(Membership.user_id)
        .where(Membership.party_id.in_(seats), Membership.role == "auditor", IN_FORCE)
        .distinct()
    )


def _panel(found: Happened) -> Query:
    return _auditors(sorted({seat.party_id for seat in found.seats}))


def _unsigned(found: Happened) -> Query:
    return _auditors(sorted({seat.party_id for seat in found.seats} - found.signed))


def _appointee(found: Happened) -> Query:
    return _auditors([found.party_id or 0])


def _member(found: Happened) -> Query:
    return sa.select(Membership.user_id).where(Membership.user_id == found.user_id).distinct()


def _operators(_found: Happened) -> Query:
    return sa.select(Membership.user_id).where(Membership.role == "operator", IN_FORCE).distinct()


_QUERIES: Mapping[str, Callable[[Happened], Query]] = MappingProxyType(
    {
        "holders": _holders,
        "holders_before": _holders_before,
        "settled": _settled,
        "moved": _moved,
        "places": _places,
        "lapsed": _lapsed,
        "waited": _waited,
        "payer": _payer,
        "polled": _polled,
        "silent": _silent,
        "asked": _asked,
        "founders": _founders,
        "drawn": _drawn,
        "panel": _panel,
        "unsigned": _unsigned,
        "appointee": _appointee,
        "member": _member,
        "operators": _operators,
    }
)
