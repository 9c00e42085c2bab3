"""The table of jobs and of outbox handlers: what the worker looks for, in the order in which it does it."""

from __future__ import annotations

from collections.abc import Mapping

from app.closing import tasks as closing
from app.commitments import reconfirm_tasks as reconfirming
from app.commitments import tasks as commitments
from app.commitments import waiting_tasks
from app.complaints import tasks as complaints
from app.investors import tasks as investors
from app.notices import tasks as notices
from app.offerings import panel_tasks as panels
from app.offerings import tasks as offerings
from app.payments import tasks as payments
from app.progress import amendment_tasks as amendments
from app.progress import dispute_tasks as disputes
from app.progress import ending_tasks as ending
from app.progress import halt_tasks as halts
from app.progress import lateness_tasks as lateness
from app.progress import parts_tasks
from app.progress import tasks as progress
from app.work import Handler, Job

#: Money first settles, then deadlines pass, then what follows from both.
JOBS: tuple[Job, ...] = (
    *payments.JOBS,
    *investors.JOBS,
    *commitments.JOBS,
    *waiting_tasks.JOBS,
    *offerings.JOBS,
    *reconfirming.JOBS,
    *closing.JOBS,
    *halts.JOBS,
    *disputes.JOBS,
    *amendments.JOBS,
    *progress.JOBS,
    *parts_tasks.JOBS,
    *panels.JOBS,
    *lateness.JOBS,
    *ending.JOBS,
    *complaints.JOBS,
    *notices.JOBS,
)

#: Jobs on which everything else waits: they back off, but never stop for a person.
NEVER_QUARANTINED = frozenset({"poll_rails"})

#: topic → handler of its outbox messages
HANDLERS: Mapping[str, Handler] = {**notices.HANDLERS}
