"""What stands in the way of a change of a live offering: amounts, committed money, tokens, dates, contract (OFF-8).

Asked when a change is proposed and again when it takes effect, because people commit in between.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars
from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.errors import Refused
from app.ledger import chart
from app.ledger import queries as ledger
from app.offerings import admission, figures, independence, rules, versions
from app.offerings.models import Offering, TokenClass
from app.offerings.rules import OfferingFields, Problem
from app.offerings.versions import Version
from milestones import document as documents
from milestones import money, offer


def of(
    session: Session, offering: Offering, version: Version, patch: Mapping[str, Any], *, now: dt.datetime
) -> list[Problem]:
    """Return everything that refuses a patch now, each with the form field or contract path it belongs to."""
    if not set(patch) - {"updates"}:
        return []  # What is told alters no term, so nothing can stand in the way of everybody's answer to it.
    document = offer.merge(version.document, patch)
    fields = versions.fields_of(document)
    found = [
        Problem(path.rsplit("/", 1)[-1], "field_fixed", "Currency, time zone, calendar, rail and rules stay as they "
                "were published: withdraw and make a new offering to change them.")
        for path in offer.fixed_paths(offer.judge(version.document, document))
    ]
    found += rules.amount_problems(fields)
    if found:
        return found
    found += _committed(offering, fields)
    found += _tokens(session, offering, fields)
    found += admission.problems(
        session, offering, now=now, maximum_minor=fields.maximum_minor,
        terms=documents.parse_document(document["contract"]),
    )
    if "deadline_at" in patch.get("figures", {}) or offering.commitment_count == 0:
        found += _deadline(offering, fields, now)
    if "class" in patch:
        found += _rights(session, offering, document)
    if fields.fee_bp != offering.fee_bp:
        found.append(Problem("fee", "fee_fixed", "Milestake's fee was agreed before the launch and stays (REL-4)."))
    found += [Problem("use_of_proceeds", "uses_not_whole", words)
              for words in offer.use_problems(document["disclosures"]["use_of_proceeds"])]
    for name in ("story", "risks", "pitch", "name"):
        if not document["texts"][name].strip():
            found.append(Problem(name, f"{name}_empty", f"The {name} cannot be empty."))
    return [*found, *_contract(session, offering, fields, document)]


def _committed(offering: Offering, fields: OfferingFields) -> Iterator[Problem]:
    """A maximum is never below what people were promised a place for (OFF-5)."""
    asset = money.Asset.parse(offering.currency)
    taken = offering.committed_minor + offering.offered_minor
    most = fields.maximum_minor
    if offering.allotment != "first_come":
        most = max(most, offering.accept_up_to_minor)
    if taken > most:
        yield Problem(
            "maximum", "maximum_below_committed",
            f"{money.display_amount(taken, asset)} is committed or offered to the waiting list already; the maximum "
            "cannot be below that.",
        )
    elif offering.unpaid_minor > fields.maximum_minor // 5:
        yield Problem(
            "maximum", "unpaid_above_fifth",
            f"{money.display_amount(offering.unpaid_minor, asset)} of the places is not paid yet, and unpaid places "
            "hold at most a fifth of the maximum. Wait until they are paid or expire.",
        )


def _tokens(session: Session, offering: Offering, fields: OfferingFields) -> Iterator[Problem]:
    """The class has tokens for the whole of the new maximum at the new price (OFF-1)."""
    asset = money.Asset.parse(offering.currency)
    token_class = session.get_one(TokenClass, offering.token_class_id)
    wanted = money.tokens_for(fields.maximum_minor, fields.price_micro, asset)
    reserved = money.tokens_for(offering.maximum_minor, offering.price_micro, asset)
    unissued = ledger.balance(session, chart.unissued(token_class.public_id, token_class.asset))
    if wanted - reserved > unissued:
        yield Problem(
            "maximum", "tokens_short",
            f"The maximum would need {wanted:,} tokens at this price; {reserved + unissued:,} are free in the class.",
        )


def _deadline(offering: Offering, fields: OfferingFields, now: dt.datetime) -> Iterator[Problem]:
    """Enough days are left: all of the minimum before the first commitment, those to reconfirm afterwards."""
    by_regime = figures.of(offering)
    if offering.commitment_count == 0:
        earliest = now + dt.timedelta(days=by_regime.min_open_days)
        words = (f"The minimum of {by_regime.min_open_days} days starts again with a new version: choose a later "
                 "deadline.")
    else:
        days = by_regime.reconfirm_bd
        opened = offering.open_since or now
        earliest = max(
            opened + dt.timedelta(days=by_regime.min_open_days),
            calendars.add_business_days(now, days, code=offering.calendar, zone=offering.zone),
        )
        words = (f"An offering is open for {by_regime.min_open_days} days or more, and everybody who committed has "
                 f"{days} business days to reconfirm: choose a later deadline.")
    if fields.deadline_at < earliest:
        yield Problem("deadline", "deadline_too_soon", words)


def _rights(session: Session, offering: Offering, document: Mapping[str, Any]) -> Iterator[Problem]:
    """Rights change only where nobody else holds the class or is promised it."""
    if not document["class"]["rights"].strip():
        yield Problem("rights", "rights_empty", "Write what a token gives.")
    token_class = session.get_one(TokenClass, offering.token_class_id)
    others = session.scalar(
        sa.select(sa.func.count()).select_from(Offering).where(
            Offering.token_class_id == token_class.id, Offering.id != offering.id, Offering.launched_at.is_not(None)
        )
    )
    if others or ledger.balance(session, chart.outstanding(token_class.public_id, token_class.asset)):
        yield Problem(
            "rights", "class_has_others",
            "Other people hold this class or are promised it, so its rights cannot be changed here. Make a new class.",
        )


def _contract(
    session: Session, offering: Offering, fields: OfferingFields, document: Mapping[str, Any]
) -> Iterator[Problem]:
    """The contract passes the lint with the new figures, and only auditors who accepted stand in it (MIL-4, MIL-9)."""
    terms = documents.parse_document(document["contract"])
    refused, _relaxed = rules.contract_problems(fields, terms, independence.known_auditors(session, offering))
    yield from refused
    try:
        contracts.demand_seats(session, contract_queries.contract(session, offering.contract_id), terms)
        for milestone in terms.milestones:
            independence.demand_independent_panel(
                session, offering, list(milestone.auditors), field=f"contract/milestones/{milestone.key}/auditors"
            )
    except Refused as error:
        yield Problem("contract/auditors", error.code, error.message)
