"""Where everything that waits stands: its table, its columns of state and deadline, and how its states are written.

What each state waits for is the one table of states' (``milestones.waiting``). The forecast reads this to say what
waits for people (TIM-4), the self-check to prove that nothing waits without an exit (TIM-5).
"""

from __future__ import annotations

from dataclasses import dataclass

from milestones import states


@dataclass(frozen=True, slots=True)
class Look:
    """Where the things of one subject of the table of states stand: their table, its columns of state and deadline.

    ``ended`` are the written states in which nothing is waited for any more.
    """

    subject: str
    table: str
    state: str
    deadline: str | None
    ended: frozenset[str] = frozenset()


#: Every subject that people own a state of. A test compares it with the table of states.
LOOKS = (
    Look("offering", "offering", "state", "step_due_at", states.OFFERING_TERMINAL),
    Look("milestone", "milestone", "state", "deadline_at", states.MILESTONE_TERMINAL),
    # What people see of a commitment is derived; these are its written facts (``commitments.rules.display_status``).
    Look("commitment", "commitment", "status", "pay_by", frozenset({"expired", "cancelled", "reversed", "lapsed"})),
    Look("waiting_entry", "waiting_entry", "status", "offer_until", states.TERMINAL["waiting_entry"]),
    Look("reconfirmation", "reconfirmation", "answer", "due_at",
         frozenset({"confirmed", "cancelled", "silent", "superseded", "ended"})),
    Look("halt", "halt", "state", "ends_at", frozenset({"ended"})),
    Look("wind_down_order", "wind_down_order", "state", "decide_by", frozenset({"confirmed", "refused", "fallen"})),
    Look("poll", "poll", "state", "ends_at", frozenset({"decided"})),
    Look("payout", "payout", "waits_on", "act_by"),
    Look("end_call", "end_call", "state", "ends_at", frozenset({"put", "lapsed"})),
    Look("report", "report", "state", "due_at", frozenset({"filed", "missed", "ended"})),
    Look("report_countdown", "report_countdown", "state", "ends_at", frozenset({"ended"})),
    Look("amendment", "amendment", "state", "leave_until", frozenset({"effective", "fell", "withdrawn", "void"})),
    Look("operation", "operation", "state", None, frozenset({"succeeded", "failed", "cancelled"})),
    Look("claim", "issuer_claim", "state", "due_at", frozenset({"settled", "given_up", "won_back"})),
    Look("receipt", "receipt", "status", "decide_by", frozenset({"applied", "returned"})),
    Look("link", "commitment_link", "status", "decide_by", frozenset({"stands", "upheld", "lifted"})),
    Look("verification", "verification", "state", "due_at", frozenset({"verified", "expired", "refused"})),
    Look("complaint", "complaint", "state", "due_at", frozenset({"answered", "reviewed"})),
    Look("appointment", "appointment", "state", "answer_by",
         frozenset({"accepted", "declined", "lapsed", "recused", "struck", "replaced"})),
)
#: (subject, state) of the table of states → why no row of :data:`LOOKS` finds it
ELSEWHERE = {
    ("commitment", "unclaimed"): "asked of its refund",
    ("commitment", "refunding"): "the worker's",
    ("change", "proposed"): "asked of its offering too",
    ("new_version", "proposed"): "a change, found as such",
    ("third_change", "proposed"): "a change, found as such",
    ("third_change", "escalated"): "a change, found as such",
    ("vote", "open"): "a poll, found as such",
    ("stay", "open"): "a poll, found as such",
    ("end_vote", "open"): "a poll, found as such",
    ("amendment", "open"): "a poll, found as such",
    ("failure_vote", "open"): "a poll, found as such",
    ("funding", "unstated"): "asked of its offering",
    ("receipt", "unmatched"): "the worker sends it back at once",
    ("challenge", "open"): "its milestone is found as challengeable",
    ("appeal", "open"): "its milestone is found as open",
    ("dispute", "panel"): "its milestone is found as disputed",
    ("dispute", "vote"): "a poll, found as such",
    ("dispute_vote", "open"): "a poll, found as such",
}
#: How a state is written in its table where that differs from the table of states.
WRITTEN = {("reconfirmation", "open"): None}
#: (subject, written state) that is no row of the table of states → what ends it all the same
ENDED_BY = {
    ("amendment", "voting"): "its poll",
    ("receipt", "waiting"): "its commitment's time to pay",
    ("receipt", "open"): "the worker, which sends it back at once",
    ("payout", "clock"): "the worker, which tries again",
    ("operation", "created"): "the worker, which sends it",
    ("operation", "sending"): "the lease, after which its outcome is unknown",
    ("operation", "pending"): "the rail, which is asked again",
    ("operation", "action_required"): "the commitment's time to pay",
}
