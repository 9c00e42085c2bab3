"""The offering's own clock: it stands still while an operator halts the offering (OFF-13).

Every deadline of an offering, and of what belongs to it, is judged by :func:`clock` instead of by the time of
day; when the halt ends all open instants move by its length. Placing and ending a halt is
``app.progress.halting``.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.db import UTCDateTime
from app.errors import Refused
from app.offerings.models import Offering


def clock(offering: Offering, instant: dt.datetime) -> dt.datetime:
    """Return the instant as the offering's deadlines see it: never after the beginning of a halt that runs."""
    since = offering.halted_since
    return instant if since is None else min(instant, since)


def clock_sql(now: dt.datetime) -> sa.ColumnElement[dt.datetime]:
    """Return :func:`clock` of ``now`` in SQL, for queries that read ``offering``."""
    return sa.func.coalesce(Offering.halted_since, sa.literal(now, UTCDateTime()))


def is_running() -> sa.ColumnElement[bool]:
    """Say in SQL that the offering is not halted."""
    return Offering.halted_since.is_(None)


def demand_running(offering: Offering) -> None:
    """Refuse what a halt blocks: new commitments, places off the waiting list, payments (OFF-13)."""
    if offering.halted_since is not None:
        raise Refused(
            "An operator has halted this offering, so nothing new begins here. Nothing was charged. Its dates move by "
            "the time it is halted.",
            code="halted",
        )


def may_cancel(offering: Offering, now: dt.datetime) -> bool:
    """Whether cancelling is free: until the cut-off, while halted, and 48 hours after a halt (COM-6, OFF-13)."""
    if offering.state not in ("live", "clearing"):
        return False
    return offering.halted_since is not None or now < offering.cancel_until
