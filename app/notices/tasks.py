"""Jobs and handlers of notices: write them when their event has committed, mail them afterwards."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.notices import guest_mail_tasks, mail_tasks, service


def _tell(session: Session, payload: Mapping[str, Any], now: dt.datetime) -> None:
    service.tell(session, payload, now=now)


JOBS = (mail_tasks.JOB, guest_mail_tasks.JOB)
HANDLERS = {"notice": _tell}
