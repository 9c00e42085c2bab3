"""Name the thing that a job acts on: what kind it is, its public id, and the offering it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.models import metadata

#: job → (the table its ids are of, what it does in words). A test compares it with the table of jobs.
JOBS: Mapping[str, tuple[str, str]] = {
    "send_operations": ("operation", "sends money, or asks what became of it"),
    "poll_rails": ("", "asks the rail for news"),
    "refresh_operations": ("operation", "books what the rail reported"),
    "look_again": ("operation", "asks the rail again"),
    "cancel_abandoned": ("operation", "cancels a payment that nobody wants"),
    "escalate_unknown": ("operation", "hands an unknown outcome to an operator"),
    "ask_unknown": ("operation", "asks once more about an unknown outcome"),
    "cover_fees": ("offering", "covers the provider's fees"),
    "return_receipts": ("receipt", "sends a late payment back"),
    "end_disputes": ("reversal", "counts a dispute as lost that its rail did not decide"),
    "remind_claims": ("issuer_claim", "tells that a company did not pay what was taken back"),
    "start_refunds": ("refund", "starts a refund"),
    "reserve_payouts": ("payout", "starts a payout, or says what it waits for"),
    "escalate_payout": ("payout", "hands a payout on whose owner did not act"),
    "sweep_fees": ("offering", "takes our earned fee"),
    "expire_commitment": ("commitment", "ends an unpaid commitment and frees its place"),
    "lapse_offering": ("offering", "ends a draft or an approval that was not used"),
    "lapse_seat": ("appointment", "takes a seat from an auditor who did not answer"),
    "fill_seat": ("appointment", "asks the next auditor by lot"),
    "commit_seed": ("offering", "commits the seed of its next draw by lot"),
    "reach_deadline": ("offering", "ends the raise"),
    "settle_close": ("offering", "decides the close on cleared money"),
    "give_back": ("offering", "owes every investor their money back"),
    "finish_offering": ("offering", "ends an offering that gave everything back"),
    "start_contract": ("offering", "starts the milestone contract"),
    "remind_auditors": ("submission", "reminds the auditors who have not signed"),
    "decide_review": ("milestone", "decides a review at its limit"),
    "end_window": ("milestone", "ends the challenge window"),
    "end_suspension": ("milestone", "ends a suspension"),
    "deliver_verdict": ("milestone", "starts the time to challenge or appeal a verdict"),
    "end_appeal": ("milestone", "ends the time to appeal"),
    "end_panel": ("milestone", "replaces silent panel members, or asks the investors"),
    "release_tranche": ("milestone", "releases a tranche"),
    "fail_milestone": ("milestone", "fails a milestone at its long-stop"),
    "fail_rest": ("milestone", "returns the rest of a partly released milestone at its long-stop"),
    "end_retention": ("milestone", "returns a retained part whose event was not shown"),
    "end_report_wait": ("milestone", "returns what waited for a report that never came"),
    "return_stranded": ("offering", "returns what is left of a payment taken back in part"),
    "release_reported": ("offering", "releases what waited for a report"),
    "flag_late": ("milestone", "flags a milestone as late"),
    "reach_long_stop": ("offering", "winds down at the offering's long-stop"),
    "complete_offering": ("offering", "completes an offering"),
    "settle_underpaid": ("commitment", "scales an underpaid commitment down, or ends it"),
    "release_carried": ("milestone", "releases what of a tranche can no longer be taken back"),
    "end_unsigned": ("offering", "ends a plan whose company never signed who funded it"),
    "let_links_stand": ("commitment_link", "leaves a link standing that nobody decided"),
    "end_doubts": ("receipt", "sends money of a doubtful sender back"),
    "expire_verification": ("verification", "ends a verification that has run out"),
    "warn_of_expiry": ("verification", "warns of a verification that runs out"),
    "remind_of_verification": ("verification", "reminds operators of a verification"),
    "lapse_waiting_list": ("offering", "ends the waiting list"),
    "end_offer": ("waiting_entry", "ends the offer of a place"),
    "offer_place": ("offering", "offers a free place to the next in line"),
    "deliver_reconfirmation": ("offering_change", "starts the time to reconfirm"),
    "end_reconfirmation": ("offering_change", "cancels and refunds whoever did not reconfirm"),
    "decide_change": ("offering_change", "takes a change as material that nobody decided, or asks a second operator"),
    "void_early_close": ("offering", "voids an early close because the offering changed"),
    "end_halt": ("halt", "ends a halt that nobody lifted or lengthened"),
    "decide_poll": ("poll", "counts a vote"),
    "lapse_wind_down_order": ("wind_down_order", "lets an order fall that no second operator confirmed"),
    "end_amendment": ("amendment", "puts an amendment in force, or ends it with its plan"),
    "ask_after_shortfall": ("offering", "asks investors after a shortfall"),
    "lapse_end_call": ("end_call", "ends a call for a vote that too few stood behind"),
    "end_grace": ("milestone", "ends the grace of a late milestone"),
    "open_report": ("offering", "writes down the first report that is owed"),
    "remind_of_report": ("report", "reminds the founder of a report"),
    "miss_report": ("report", "notes a report that did not come"),
    "start_countdown": ("offering", "starts ninety days to failure"),
    "fail_silent": ("report_countdown", "winds down the plan of a silent founder"),
    "end_report": ("report", "ends what a plan that ended would still report"),
    "escalate_complaint": ("complaint", "asks a second operator about a complaint"),
    "send_mails": ("", "sends mails"),
    "send_complaint_mails": ("", "sends mails about complaints"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing with its offering; empty texts where there is none. ``number`` is a milestone's in its contract."""

    kind: str
    public_id: str
    offering_id: str
    offering: str
    zone: str
    number: int | None = None


NOTHING = Subject("", "", "", "", "UTC")


@dataclass(slots=True)
class Subjects:
    """What was looked up before is not looked up again: none of it changes."""

    _known: dict[tuple[str, int], Subject] = field(default_factory=dict)

    def of(self, session: Session, job: str, object_id: int) -> Subject:
        """Return what a job acts on."""
        table = JOBS.get(job, ("", ""))[0]
        if not table:
            return NOTHING
        found = self._known.get((table, object_id))
        if found is None:
            found = self._known[table, object_id] = _look_up(session, table, object_id)
        return found


def of_offering(table: sa.Table) -> sa.Select[tuple[object, ...]]:
    """Select the public id of a table's rows, and the offering of each: its public id, name and zone.

    A row belongs to an offering by itself or by its commitment, whose id it goes by where it has none; one that
    belongs to no offering has the fields null.
    """
    offering, commitment = metadata.tables["offering"], metadata.tables["commitment"]
    public_id = table.c.public_id if "public_id" in table.c else sa.null()
    if table is offering:
        target: sa.FromClause = table
    elif "offering_id" in table.c:
        target = table.outerjoin(offering, offering.c.id == table.c.offering_id)
    elif "commitment_id" in table.c:
        target = table.outerjoin(commitment, commitment.c.id == table.c.commitment_id).outerjoin(
            offering, offering.c.id == commitment.c.offering_id
        )
        public_id = public_id if "public_id" in table.c else commitment.c.public_id
    else:
        target = table.outerjoin(offering, sa.false())
    return sa.select(
        public_id.label("public_id"),
        offering.c.public_id.label("offering_id"), offering.c.name.label("offering"), offering.c.zone.label("zone"),
        (table.c.ordinal if table.name == "milestone" else sa.null()).label("number"),
    ).select_from(target)


def _look_up(session: Session, name: str, object_id: int) -> Subject:
    table = metadata.tables[name]
    row = session.execute(of_offering(table).where(table.c.id == object_id)).one_or_none()
    if row is None:
        return NOTHING
    return Subject(
        name, row.public_id or "", row.offering_id or "", row.offering or "", row.zone or "UTC", row.number
    )
