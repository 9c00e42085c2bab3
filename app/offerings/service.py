"""Create issuers, token classes and offerings, and move offerings from draft to live (OFF-1, 2, 4, 5, 10).

What happens after the deadline is ``closing``; after the close ``progress``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars, idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.db import public_id
from app.errors import Conflict, Forbidden, NotFound, Refused
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings import admission, figures, independence, issuers, lots, rules, versions
from app.offerings.models import Issuer, Offering, TokenClass
from app.offerings.rules import OfferingFields
from app.outbox import service as outbox
from milestones import document as documents
from milestones import money, states


class OfferingNotReady(Refused):
    """The draft cannot be submitted; ``problems`` lists everything that stands in the way."""

    code = "offering_not_ready"

    def __init__(self, problems: list[rules.Problem]) -> None:
        super().__init__("The offering is not ready: " + " ".join(each.message for each in problems))
        self.problems = problems


def draft_offering(
    session: Session,
    *,
    actor: Actor,
    token_class_id: str,
    fields: OfferingFields,
    document: Mapping[str, object],
    key: str,
    now: dt.datetime,
) -> Offering:
    """Create a draft with its milestone contract. The same ``key`` gives the first one back (COM-1)."""
    accounts.demand(actor, "founder")
    token_class, issuer = issuers.class_of_founder(session, actor, token_class_id)
    claimed = {"token_class": token_class_id, "fields": dataclasses.asdict(fields), "document": document}
    earlier = idempotency.claim(session, actor=actor, operation="draft_offering", key=key, fields=claimed, now=now)
    if earlier is not None:
        return offering_by_id(session, earlier)
    _demand_amounts(fields)
    _demand_fee(fields, rules.PLATFORM_FEE_BP)
    contract = contracts.create_contract(session, document=document, now=now)
    offering = Offering(
        public_id=public_id("off"),
        slug=_free_slug(session, fields.name),
        issuer_id=issuer.id,
        token_class_id=token_class.id,
        contract_id=contract.id,
        state="draft",
        state_since=now,
        step_due_at=now + dt.timedelta(days=rules.DRAFT_IDLE_DAYS),
        created_by=accounts.user_of(actor),
        created_at=now,
        cancel_until=fields.deadline_at,
        long_stop_at=contracts.draft_terms(contract).long_stop_at(),
    )
    _apply(offering, fields)
    session.add(offering)
    session.flush()
    idempotency.settle(session, actor=actor, operation="draft_offering", key=key, result_ref=offering.public_id)
    audit.record(
        session, actor=actor, action="offering.drafted", object_id=offering.public_id, now=now,
        after=told_figures(session, offering),
    )
    return offering


def update_draft(
    session: Session,
    *,
    actor: Actor,
    offering_id: str,
    fields: OfferingFields | None = None,
    document: Mapping[str, object] | None = None,
    disclosures: Mapping[str, object] | None = None,
    now: dt.datetime,
) -> Offering:
    """Change a draft's figures, its contract, what it discloses, or all of them; refused outside ``draft``."""
    offering = owned(session, actor, offering_id)
    if offering.state != "draft":
        raise Conflict("Only a draft can be changed. Withdraw the submission first.", code="not_a_draft")
    if fields is not None:
        _demand_amounts(fields)
        _demand_fee(fields, offering.fee_bp)
        _apply(offering, fields)
    if disclosures is not None:
        offering.disclosures = audit.canonical(disclosures) or "{}"
    if document is not None:
        contract = contract_queries.contract(session, offering.contract_id)
        contracts.save_draft(session, contract, document=document, now=now)
        offering.long_stop_at = contracts.draft_terms(contract).long_stop_at()
    offering.step_due_at = now + dt.timedelta(days=rules.DRAFT_IDLE_DAYS)
    session.flush()
    audit.record(
        session, actor=actor, action="offering.draft_changed", object_id=offering.public_id, now=now,
        after=told_figures(session, offering),
    )
    return offering


def problems_of(
    session: Session, offering: Offering, *, now: dt.datetime
) -> tuple[list[rules.Problem], list[rules.Problem]]:
    """Return (what stands in the way of submitting, what the founder relaxed), from figures, contract and dates."""
    fields = fields_of(offering)
    terms = contracts.draft_terms(contract_queries.contract(session, offering.contract_id))
    refused, relaxed = rules.contract_problems(fields, terms, independence.known_auditors(session, offering))
    by_regime = admission.problems(session, offering, now=now)
    refused = [*rules.amount_problems(fields), *by_regime, *refused]
    if not any(each.path == "regime" for each in by_regime):
        open_days = figures.of(offering, now).min_open_days
        if offering.deadline_at < now + dt.timedelta(days=open_days):
            refused.append(
                rules.Problem("deadline", "deadline_too_soon",
                              f"The offering must be open for {open_days} days or more: choose a later deadline.")
            )
    asset = money.Asset.parse(offering.currency)
    token_class = session.get_one(TokenClass, offering.token_class_id)
    wanted = money.tokens_for(offering.maximum_minor, offering.price_micro, asset)
    if wanted > token_class.authorised_tokens:
        refused.append(
            rules.Problem("maximum", "above_authorised",
                          f"The maximum would need {wanted:,} tokens; the class has {token_class.authorised_tokens:,}.")
        )
    for field, text in (("story", offering.story), ("risks", offering.risks), ("pitch", offering.pitch)):
        if not text.strip():
            refused.append(rules.Problem(field, f"{field}_empty", f"Write the {field} before you submit."))
    return refused, relaxed


def submit(session: Session, *, actor: Actor, offering_id: str, now: dt.datetime) -> Offering:
    """Send a draft to review. Raises :class:`OfferingNotReady` with every problem."""
    offering = owned(session, actor, offering_id)
    refused, _relaxed = problems_of(session, offering, now=now)
    if offering.state == "draft" and refused:
        raise OfferingNotReady(refused)
    due = calendars.add_business_days(now, rules.REVIEW_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone)
    move(session, offering, "submit", "founder", actor=actor, now=now, due=due)
    offering.submitted_by, offering.approved_by, offering.changes_asked = accounts.user_of(actor), None, None
    # Before anybody knows who will stand in the draw (MIL-9).
    lots.commit_seed(session, offering, actor=actor, now=now)
    return offering


def ask_changes(session: Session, *, actor: Actor, offering_id: str, reason: str, now: dt.datetime) -> Offering:
    """Give a submission back to the founder, saying what to change."""
    accounts.demand(actor, "operator", second_factor=True)
    if not reason.strip():
        raise Refused("Say what the founder must change.", code="reason_empty", field="reason")
    offering = locked(session, offering_id)
    move(
        session, offering, "ask_changes", "operator", actor=actor, now=now, reason=reason,
        due=now + dt.timedelta(days=rules.DRAFT_IDLE_DAYS),
    )
    offering.changes_asked = reason.strip()
    return offering


def withdraw_submission(session: Session, *, actor: Actor, offering_id: str, now: dt.datetime) -> Offering:
    """Take a submission back into draft."""
    offering = owned(session, actor, offering_id)
    move(
        session, offering, "withdraw_submission", "founder", actor=actor, now=now,
        due=now + dt.timedelta(days=rules.DRAFT_IDLE_DAYS),
    )
    return offering


def approve(session: Session, *, actor: Actor, offering_id: str, reason: str = "", now: dt.datetime) -> Offering:
    """Approve a submission; never one's own (OFF-4, PPL-2). The founder has 60 days to launch."""
    accounts.demand(actor, "operator", second_factor=True)
    offering = locked(session, offering_id)
    if offering.submitted_by == actor.user_id:
        raise Forbidden("You submitted this offering, so somebody else must approve it.", code="four_eyes")
    admission.demand(session, offering, now=now)
    move(
        session, offering, "approve", "operator", actor=actor, now=now, reason=reason or None,
        due=now + dt.timedelta(days=rules.LAUNCH_WITHIN_DAYS),
    )
    offering.approved_by = actor.user_id
    return offering


def launch(session: Session, *, actor: Actor, offering_id: str, now: dt.datetime) -> Offering:
    """Publish: freeze the terms, reserve tokens for the whole maximum, open for commitments (OFF-1, OFF-2).

    Raises ``Refused`` ``panel_incomplete`` while an auditor has not accepted, ``deadline_too_soon`` when
    fewer than 21 days are left, ``tokens_short`` when the class has not enough unissued tokens.
    """
    accounts.demand(actor, "founder", second_factor=True)
    offering = owned(session, actor, offering_id)
    by_regime = figures.of(offering, now)
    if offering.state == "approved":
        admission.demand_still(session, offering, now=now)
    if offering.state == "approved" and offering.deadline_at < now + dt.timedelta(days=by_regime.min_open_days):
        raise Refused(
            f"Fewer than {by_regime.min_open_days} days are left until the deadline. Withdraw, choose a later deadline "
            "and submit again.",
            code="deadline_too_soon",
        )
    if offering.state == "approved" and offering.step_due_at is not None and now >= offering.step_due_at:
        raise Refused(
            "The 60 days to launch have passed. Submit the offering again.", code="launch_window_over"
        )
    contract = contract_queries.contract(session, offering.contract_id)
    move(session, offering, "launch", "founder", actor=actor, now=now, due=offering.deadline_at)
    terms = contracts.terms_with_panel(session, contract)
    version = contracts.publish(
        session, contract=contract, offering_id=offering.id, terms=terms, actor=actor, now=now
    )
    offering.terms_version_id, offering.launched_at, offering.open_since = version.id, now, now
    offering.cancel_until = offering.deadline_at - dt.timedelta(hours=by_regime.cancel_hours)
    token_class = session.get_one(TokenClass, offering.token_class_id)
    tokens = money.tokens_for(offering.maximum_minor, offering.price_micro, money.Asset.parse(offering.currency))
    try:
        ledger.post(
            session, kind="offering_published", key=f"offering:{offering.public_id}:published",
            cause=offering.public_id, offering_id=offering.id, occurred_at=now,
            lines=[
                ledger.debit(chart.reserved(offering.public_id, token_class.asset), tokens),
                ledger.credit(chart.unissued(token_class.public_id, token_class.asset), tokens),
            ],
        )
    except Refused as error:
        raise Refused(
            f"The class has fewer than the {tokens:,} unissued tokens that the maximum needs.", code="tokens_short"
        ) from error
    versions.publish(session, offering, published_by=actor.user_id or 0, now=now)
    audit.record(
        session, actor=actor, action="offering.published", object_id=offering.public_id, now=now,
        after=told_figures(session, offering),
    )
    outbox.enqueue(
        session, "notice", {"kind": "offering_live", "offering_id": offering.id}, now=now,
        key=f"notice:offering_live:{offering.public_id}",
    )
    return offering


def told_figures(session: Session, offering: Offering) -> dict[str, object]:
    """Return the figures that the log keeps of a draft and of what froze at publication (OFF-2).

    The self-check compares the row with the last of them.
    """
    if offering.terms_version_id is None:
        terms = contracts.draft_terms(contract_queries.contract(session, offering.contract_id))
        version, contract_hash = "draft", documents.contract_hash(terms)
    else:
        published = contract_queries.published_terms(session, offering.terms_version_id)
        version, contract_hash = published.public_id, published.content_hash
    fields = (
        "rail", "regime", "holding", "currency", "price_micro", "minimum_minor", "target_minor", "maximum_minor",
        "minimum_ticket_minor", "fee_bp", "zone", "calendar", "deadline_at", "cancel_until", "allotment",
        "accept_up_to_minor", "version_number",
    )
    return {
        "issuer": session.get_one(Issuer, offering.issuer_id).public_id,
        "token_class": session.get_one(TokenClass, offering.token_class_id).public_id,
        "terms": version,
        "contract_hash": contract_hash,
        **{name: getattr(offering, name) for name in fields},
    }


def move(
    session: Session,
    offering: Offering,
    event: str,
    who: str,
    *,
    actor: Actor = SYSTEM,
    now: dt.datetime,
    due: dt.datetime | None,
    reason: str | None = None,
) -> None:
    """Change the offering's state by the one table, log it, and tell whoever it concerns.

    ``due`` is the next instant at which silence has its effect (TIM-5). Raises ``Conflict``
    (``transition_already``), ``Forbidden`` or ``Refused`` as the table says.
    """
    try:
        after = states.next_state(states.OFFERING_TRANSITIONS, offering.state, event, who)
    except states.TransitionError as error:
        kind = {"transition_already": Conflict, "transition_forbidden": Forbidden}.get(error.code, Refused)
        raise kind(error.message, code=error.code) from error
    before, offering.state, offering.state_since, offering.step_due_at = offering.state, after, now, due
    session.flush()
    audit.record(
        session, actor=actor, action=f"offering.{event}", object_id=offering.public_id, now=now,
        before={"state": before}, after={"state": after}, reason=reason,
    )
    outbox.enqueue(
        session, "notice", {"kind": f"offering_{after}", "offering_id": offering.id, "event": event}, now=now,
        key=None if after in ("draft", "in_review", "approved") else f"notice:offering_{after}:{offering.public_id}",
    )


def locked(session: Session, offering_id: str) -> Offering:
    """Return the offering with its row locked; raises ``NotFound``."""
    offering = session.execute(
        sa.select(Offering).where(Offering.public_id == offering_id).with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if offering is None:
        raise NotFound("There is no such offering.", code="offering_not_found")
    return offering


def offering_by_id(session: Session, offering_id: str) -> Offering:
    """Return the offering by its public id; raises ``NotFound``."""
    offering = session.execute(sa.select(Offering).where(Offering.public_id == offering_id)).scalar_one_or_none()
    if offering is None:
        raise NotFound("There is no such offering.", code="offering_not_found")
    return offering


def fields_of(offering: Offering) -> OfferingFields:
    """Return the founder's figures of an offering."""
    values = {name: getattr(offering, name) for name in OfferingFields.__dataclass_fields__}
    if offering.allotment == rules.FIRST_COME:
        values["accept_up_to_minor"] = 0
    return OfferingFields(**values)


def owned(session: Session, actor: Actor, offering_id: str) -> Offering:
    """Return the founder's own offering with its row locked; raises ``NotFound`` for anybody else."""
    offering = locked(session, offering_id)
    issuer = session.get_one(Issuer, offering.issuer_id)
    if not actor.acts_for(issuer.party_id, "founder"):
        raise NotFound("There is no such offering.", code="offering_not_found")
    return offering


def _demand_amounts(fields: OfferingFields) -> None:
    for problem in rules.amount_problems(fields):
        raise Refused(problem.message, code=problem.code, field=problem.path)


def _demand_fee(fields: OfferingFields, agreed_bp: int) -> None:
    if fields.fee_bp != agreed_bp:
        raise Refused(
            f"Milestake's fee is {rules.percent_text(agreed_bp)} of released money. Only an operator can agree another "
            "one, at the review.",
            code="fee_fixed", field="fee",
        )


def _apply(offering: Offering, fields: OfferingFields) -> None:
    for name in OfferingFields.__dataclass_fields__:
        setattr(offering, name, getattr(fields, name))
    offering.accept_up_to_minor = rules.accept_up_to(fields)


def _free_slug(session: Session, name: str) -> str:
    slug = rules.slug_from(name)
    taken = session.execute(sa.select(Offering.id).where(Offering.slug == slug)).scalar()
    return slug if taken is None else f"{slug}-{secrets.token_hex(2)}"
