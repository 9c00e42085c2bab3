"""Say what happens next to a thing: "Next: WHO must do WHAT by WHEN, otherwise DEFAULT" (TIM-5).

The words come from the one table of states; only the instant comes from the thing itself.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from milestones import states


@dataclass(frozen=True, slots=True)
class NextStep:
    """What a page shows; ``deadline_at`` is None where no clock runs."""

    owner: str
    action: str
    deadline_at: dt.datetime | None
    default: str
    modal: str = states.MUST


def next_step(subject: str, state: str, deadline_at: dt.datetime | None) -> NextStep | None:
    """Return what a state waits for, or None when nothing more can happen."""
    row = states.waiting_for(subject, state)
    return None if row is None else NextStep(row.owner, row.action, deadline_at, row.default, row.modal)
