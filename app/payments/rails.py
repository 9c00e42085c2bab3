"""Build the rails that this deployment has. Each is an adapter behind ``ports.PaymentRail``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from app import clock
from app.config import Settings
from app.db import Database
from app.payments.ports import PaymentRail
from app.payments.sandbox import SandboxRail


def build_rails(settings: Settings, db: Database) -> Mapping[str, PaymentRail]:
    """Return the rails by name; the sandbox only where money is pretend."""
    if not settings.sandbox:
        return {}

    def business_now() -> dt.datetime:
        with db.read() as session:
            return clock.business_now(session)

    return {"sandbox": SandboxRail(db, now=business_now)}
