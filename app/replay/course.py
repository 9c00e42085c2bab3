"""Play one offering from its record: the crowd commits, the founder hands in, the evaluators sign, or it ends early.

A course is asked again and again; each time it does what is due and says when it wants to be asked next. It acts
through the stage only; what follows by itself (deadlines, windows, releases, refunds) is the worker's.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence

from app.accounts.actor import Actor
from app.contracts.models import Milestone
from app.demo.stage import DAY, Stage
from app.errors import Forbidden, Refused
from app.offerings.models import Offering
from app.replay import doubting
from app.replay.crowd import Pledge
from app.replay.fates import MET, REJECTED, RESIGNS, REVIEW_DAYS, Fate, Round
from app.replay.records import Evaluation
from app.replay.revising import Revision
from milestones.states import MILESTONE_TERMINAL, OFFERING_TERMINAL


class Course:
    """The people and the script of one offering. ``counts`` is shared by all courses of a replay."""

    def __init__(
        self, stage: Stage, *, offering_id: str, founder: Actor, auditors: Mapping[str, Actor], fates: Sequence[Fate],
        pledges: Sequence[Pledge], investors: Sequence[Actor], launched_at: dt.datetime, counts: Counter[str],
        revision: Revision | None = None,
    ) -> None:
        self.stage, self.offering_id, self.founder = stage, offering_id, founder
        self._auditors, self._fates, self._investors, self._counts = auditors, fates, investors, counts
        self._launched_at = launched_at
        self._to_commit = list(pledges)
        self._to_cancel: list[tuple[dt.datetime, Pledge, str]] = []
        self._handed_in: tuple[int, int, str, dt.datetime] | None = None
        self._rounds_done: Counter[int] = Counter()
        self._revision = revision
        self._doubted: set[int] = set()
        self.is_over = False

    def play(self) -> dt.datetime | None:
        """Do what is due now and return when to ask again; None once the offering has ended."""
        offering = self.stage.offering(self.offering_id)
        if offering.state in OFFERING_TERMINAL:
            self.is_over = True
            return None
        now = self.stage.now
        if offering.state == "live":
            return self._raise(offering, now)
        if offering.state == "active":
            return self._run(offering, now)
        return now + DAY

    # -- the raise --------------------------------------------------------------------------------------

    def _raise(self, offering: Offering, now: dt.datetime) -> dt.datetime:
        while self._to_commit and self._day(self._to_commit[0]) <= now:
            self._commit(self._to_commit.pop(0))
        for entry in [each for each in self._to_cancel if each[0] <= now]:
            self._to_cancel.remove(entry)
            self.stage.cancel(self._investors[entry[1].investor], entry[2])
            self._counts["cancellations"] += 1
        days = [offering.deadline_at, *(each[0] for each in self._to_cancel)]
        return min([*days, self._day(self._to_commit[0])] if self._to_commit else days)

    def _day(self, pledge: Pledge) -> dt.datetime:
        return self._launched_at + pledge.day * DAY

    def _commit(self, pledge: Pledge) -> None:
        investor = self._investors[pledge.investor]
        try:
            commitment_id = self.stage.commit(investor, self.offering_id, pledge.amount_minor)
        except Refused as error:
            # Real crowds meet a full offering too: they are told, and nothing is charged.
            self._counts[f"refused: {error.code}"] += 1
            return
        self._counts["commitments"] += 1
        self._counts[f"habit: {pledge.habit}"] += 1
        if pledge.method is not None:
            self.stage.pay(investor, commitment_id, pledge.method)
        if pledge.cancel_day is not None:
            self._to_cancel.append((self._launched_at + pledge.cancel_day * DAY, pledge, commitment_id))

    # -- the milestones ---------------------------------------------------------------------------------

    def _run(self, offering: Offering, now: dt.datetime) -> dt.datetime:
        """Act on the first milestone that is not settled; the contract is sequential.

        While a proposal is open the founder hands nothing in: what is in review keeps the terms it began under.
        """
        waits_until = self._revise(offering)
        if waits_until is not None:
            return waits_until
        milestone = next(
            (each for each in self.stage.milestones(self.offering_id) if each.state not in MILESTONE_TERMINAL), None
        )
        if milestone is None or milestone.tranche_minor is None:
            return now + DAY
        fate = self._fates[milestone.ordinal - 1]
        if milestone.state == "open":
            return self._when_open(offering, milestone, fate, now)
        if milestone.state == "submitted":
            return self._when_submitted(offering, milestone, fate, now)
        self._doubt(milestone, fate)
        return max(milestone.deadline_at or now, now + DAY)

    def _revise(self, offering: Offering) -> dt.datetime | None:
        revision = self._revision
        if revision is None or revision.is_over:
            return None
        waits_until = revision.play(self.stage, offering, self.founder, self._investors, self._counts)
        if revision.is_in_force:
            self._fates = revision.fates
        return waits_until

    def _doubt(self, milestone: Milestone, fate: Fate) -> None:
        """Challenge a verdict of evaluators who disagree, appeal a rejection, and let the panel judge (MIL-10)."""
        number = self._rounds_done[milestone.ordinal] - 1
        if milestone.state == "disputed":
            doubting.judge(self.stage, milestone, self._auditors, is_met=fate.end == MET)
        elif number < 0 or milestone.ordinal in self._doubted:
            return
        elif milestone.state == "challengeable" and doubting.is_split(fate.rounds[number]):
            self._doubted.add(milestone.ordinal)
            doubting.challenge(self.stage, milestone, self._investors, self._counts)
        elif milestone.state == "appealable" and fate.end == REJECTED:
            self._doubted.add(milestone.ordinal)
            doubting.appeal(self.stage, milestone, self.founder, self._counts)

    def _when_open(self, offering: Offering, milestone: Milestone, fate: Fate, now: dt.datetime) -> dt.datetime:
        assert milestone.long_stop_at is not None
        number = self._rounds_done[milestone.ordinal]
        if number < len(fate.rounds):
            signs_at = offering.deadline_at + fate.rounds[number].day * DAY
            if now < signs_at - REVIEW_DAYS * DAY:
                return signs_at - REVIEW_DAYS * DAY
            submission = self.stage.submit_evidence(self.founder, milestone.public_id)
            self._counts["submissions"] += 1
            self._handed_in = (milestone.ordinal, number, submission, max(signs_at, now + DAY))
            return self._handed_in[3]
        if fate.end == RESIGNS:
            resigns_at = offering.deadline_at + fate.last_day * DAY
            if now < resigns_at:
                return min(resigns_at, milestone.long_stop_at)
            self.stage.resign(self.founder, self.offering_id, reason="The programme was terminated.")
            self._counts["resignations"] += 1
            return now + DAY
        return milestone.long_stop_at

    def _when_submitted(self, offering: Offering, milestone: Milestone, fate: Fate, now: dt.datetime) -> dt.datetime:
        assert milestone.deadline_at is not None
        if self._handed_in is None:
            return milestone.deadline_at
        ordinal, number, submission, signs_at = self._handed_in
        if now < signs_at:
            return signs_at
        self._sign(submission, fate.rounds[number])
        self._rounds_done[ordinal] += 1
        self._handed_in = None
        return self._run(offering, now)

    def _sign(self, submission_id: str, round_: Round) -> None:
        for finding in round_.findings:
            try:
                self.stage.sign(self._auditors[finding.evaluator], submission_id, found(finding))
            except Forbidden as error:
                # In a file, one evaluator can be nearly all of a company's or all of their own work (MIL-8).
                self._counts[f"finding refused: {error.code}"] += 1
                continue
            self._counts["attestations"] += 1


def found(evaluation: Evaluation) -> dict[str, tuple[str, int]]:
    """Return what an evaluation found for each criterion: (finding, share in %).

    Accepted: all met. Otherwise the groundwork stands and the work is met to the share of items that
    were accepted, in steps of 10 % and never whole.
    """
    if evaluation.is_met:
        return {"groundwork": ("met", 100), "work": ("met", 100)}
    if evaluation.status == "rejected" or not evaluation.accepted_items or not evaluation.items:
        return {"groundwork": ("not_met", 0), "work": ("not_met", 0)}
    share_pct = min(9, evaluation.accepted_items * 10 // evaluation.items) * 10
    work = ("partly", share_pct) if share_pct else ("not_met", 0)
    return {"groundwork": ("met", 100), "work": work}
