"""An event as its notices see it: what it is about, and the ids and figures that were read of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from app.contracts.models import Appointment, Milestone
from app.offerings.models import Issuer, Offering

Params = dict[str, Any]


@dataclass(slots=True)
class Happened:
    """An event with what its notices need. ``about`` is the public id that the notices are about."""

    event: str
    about: str
    at: dt.datetime
    params: Params
    offering: Offering | None = None
    milestone: Milestone | None = None
    journal_id: int | None = None
    party_id: int | None = None
    user_id: int | None = None
    change_id: int | None = None
    poll_id: int | None = None
    dispute_id: int | None = None
    issuer: Issuer | None = None
    seats: list[Appointment] = field(default_factory=list)
    signed: set[int] = field(default_factory=set)
