"""Two clocks. Business time decides deadlines; system time runs leases, sessions and rate limits.

Business time is real time plus an offset row that only ever grows (the demo clock). The row can
be moved in sandbox deployments only; :func:`advance` refuses elsewhere.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import datetime as dt
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base
from app.errors import InvariantBroken, Refused

#: The furthest the demo clock may run ahead in one step, so that a slip of the hand costs a year at most.
MAX_STEP_SECONDS = 366 * 86_400
#: And in all: some two hundred years, far from where calendars end.
MAX_OFFSET_SECONDS = 200 * 366 * 86_400


class DemoClock(Base):
    """The one row (id 1) by which business time is ahead of real time."""

    __tablename__ = "demo_clock"
    __table_args__ = (
        sa.CheckConstraint("id = 1", name="one_row"),
        sa.CheckConstraint("offset_seconds >= 0", name="forward_only"),
    )

    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    offset_seconds: Mapped[int]


#: Asked before almost everything, so the statement is built once.
_OFFSET = sa.select(DemoClock.offset_seconds)


@dataclasses.dataclass(slots=True)
class Imagined:
    """A system time that stands still until somebody moves it."""

    at: dt.datetime


#: The time that a rehearsal or a replay pretends it is, in its own thread only; None everywhere else.
_imagined: contextvars.ContextVar[Imagined | None] = contextvars.ContextVar("imagined_time", default=None)


def system_now() -> dt.datetime:
    """Return the real time, UTC; inside :func:`imagined` the time that is pretended."""
    pretended = _imagined.get()
    return dt.datetime.now(dt.UTC) if pretended is None else pretended.at


@contextlib.contextmanager
def imagined(system_time: dt.datetime) -> Iterator[Imagined]:
    """Let both clocks of this thread stand at a system time that the caller may move on.

    For rehearsals on a copy of the database (TIM-4) and for replays of the past in a database of their own. Business
    time is ahead of it by the demo clock's offset, as ever. Nothing else of the process notices.
    """
    pretended = Imagined(system_time)
    token = _imagined.set(pretended)
    try:
        yield pretended
    finally:
        _imagined.reset(token)


def offset_seconds(session: Session) -> int:
    """Return by how many seconds business time is ahead of real time (0 without a demo clock)."""
    return session.execute(_OFFSET).scalar() or 0


def business_now(session: Session) -> dt.datetime:
    """Return the time that deadlines are judged by, UTC."""
    return system_now() + dt.timedelta(seconds=offset_seconds(session))


def advance(session: Session, *, seconds: int, allowed: bool) -> None:
    """Move business time forward by ``seconds``.

    Raises ``Refused`` where the deployment is not a sandbox (``allowed``) or the step is not
    between one second and a year: the clock never goes back.
    """
    if not allowed:
        raise Refused("The demo clock exists only in a sandbox.", code="demo_clock_off")
    if not 0 < seconds <= MAX_STEP_SECONDS:
        raise Refused("Move the clock forward by up to one year.", code="demo_clock_step", field="step")
    if offset_seconds(session) + seconds > MAX_OFFSET_SECONDS:
        raise Refused("The demo clock is as far ahead as it can go.", code="demo_clock_far", field="step")
    moved = session.execute(
        sa.update(DemoClock).where(DemoClock.id == 1).values(offset_seconds=DemoClock.offset_seconds + seconds)
    )
    if moved.rowcount == 0:
        session.add(DemoClock(id=1, offset_seconds=seconds))
        session.flush()


def refuse_offset(session: Session) -> None:
    """Raise ``InvariantBroken`` when business time is ahead of real time: for deployments with real money.

    A database that played a demo would have every deadline and every window judged months ahead.
    """
    if sa.inspect(session.connection()).has_table(DemoClock.__tablename__) and offset_seconds(session):
        raise InvariantBroken(
            "This database's demo clock was moved. It can serve a sandbox only (SANDBOX=1).", code="demo_clock_moved"
        )
