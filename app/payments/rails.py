"""Build the rails that this deployment has. Each is an adapter behind ``ports.PaymentRail``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from app import clock
from app.config import Settings
from app.db import Database
from app.payments.ports import PaymentRail
from app.payments.rules import RAIL_NUMBERS
from app.payments.sandbox import SandboxRail
from app.payments.still import StillRail


def build_rails(settings: Settings, db: Database) -> Mapping[str, PaymentRail]:
    """Return the rails by name; the sandbox only where money is pretend."""
    if not settings.sandbox:
        return {}

    def business_now() -> dt.datetime:
        with db.read() as session:
            return clock.business_now(session)

    return {"sandbox": SandboxRail(db, now=business_now)}


def rehearsal_rails(copy: Database, *, nothing_arrives: bool) -> Mapping[str, PaymentRail]:
    """Return rails that reach nobody, for the jobs to rehearse with on a copy of the database (TIM-4).

    The sandbox's own books are in the copy and say what it will do. Every other rail stands still, and the sandbox as
    well with ``nothing_arrives``.
    """

    def business_now() -> dt.datetime:
        with copy.read() as session:
            return clock.business_now(session)

    still: dict[str, PaymentRail] = {name: StillRail(copy, name, now=business_now) for name in RAIL_NUMBERS}
    return still if nothing_arrives else {**still, "sandbox": SandboxRail(copy, now=business_now)}
