"""Ask an offering's regime whether it may be raised at all: currency, holding, the issuer's cap, the rail (OFF-14).

Asked when a draft is submitted, so that the founder reads it early, and again at the approval, where the answers are
stored. Affiliates and predecessors of an issuer are not known here; the operator's review asks for them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.errors import Refused
from app.offerings import figures, rules
from app.offerings.models import Offering
from app.offerings.rules import Problem
from app.regimes import records, settings
from app.regimes import service as regimes
from app.regimes.records import NoFigures
from app.regimes.rules import Decision, decide, platform
from app.regimes.rules.exact import months_after
from milestones import money
from milestones.terms import SEQUENTIAL, Terms

#: States in which an offering's whole maximum may still be sold.
STILL_SELLING = ("approved", "live", "clearing")
#: What each regime calls its cap on what an issuer raises in a year, and the rule's inputs beside the maximum.
CAP_RULES: Mapping[str, str] = MappingProxyType(
    {"us.reg_cf": "issuer_cap", "eu.ecspr": "offer_threshold", "uk.fca": "poatr_route"}
)
#: field of the form and words for each reason; {…} are facts in money or dates
WORDS: Mapping[str, tuple[str, str]] = MappingProxyType({
    "over_issuer_cap": ("maximum", "Enter a maximum of {headroom} or less: under {regime} the company may raise {cap} "
                        "within 12 months, and {sold} of that is raised or offered already."),
    "holding_not_allowed": ("holding", "{regime} does not allow the money to be held this way after the close. Choose "
                            "the other way."),
    "not_a_qualified_third_party": ("holding", "{regime} does not allow this rail to hold the money."),
    "beyond_hold_limit": ("contract", "The plan can last until {needed} with everything that may delay it, and this "
                          "rail may hold money until {held}. Bring the contract's dates forward."),
    "no_figures_for_this_day": ("regime", "{regime} has no figures for this day. Choose another regime."),
})


def problems(
    session: Session, offering: Offering, *, now: dt.datetime, maximum_minor: int | None = None,
    terms: Terms | None = None,
) -> list[Problem]:
    """Return what the regime has against an offering as it stands, in words for the founder.

    ``maximum_minor`` and ``terms`` are those of a change that is proposed, instead of its own.
    """
    try:
        arm = figures.arm_of(offering, now)
    except NoFigures as error:
        return [Problem("regime", error.code, error.message)]
    found = []
    if offering.regime != "private" and offering.currency != arm.currency:
        code = money.Asset.parse(arm.currency).code
        found.append(Problem("currency", "regime_currency", f"{_name(offering)} counts in {code}. Choose {code}."))
        return found
    for decision in decisions(session, offering, now=now, maximum_minor=maximum_minor, terms=terms):
        found += [_problem(offering, decision, reason) for reason in decision.reasons]
    return found


def demand(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Refuse the approval of what the regime does not allow, and store every answer otherwise (OFF-14).

    Raises ``Refused`` with the first reason's code; ``facts['reasons']`` holds them all.
    """
    demand_still(session, offering, now=now)
    asked = decisions(session, offering, now=now)
    regimes.record(session, [(offering.public_id, each) for each in asked], moment="approval", now=now)


def demand_still(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Refuse what the regime has something against, by the figures of now: asked once more at the launch."""
    against = problems(session, offering, now=now)
    if against:
        raise Refused(
            " ".join(each.message for each in against), code=against[0].code,
            facts={"reasons": [each.code for each in against]},
        )


def decisions(
    session: Session, offering: Offering, *, now: dt.datetime, maximum_minor: int | None = None,
    terms: Terms | None = None,
) -> list[Decision]:
    """Ask every question about the offering by the figures of its deciding day."""
    arm = figures.arm_of(offering, now)
    rail = rules.RAILS[offering.rail]
    asked = [platform.ask(
        platform.holding_after_close, arm, holding=offering.holding, custodian=rail.custodian
    )]
    if terms is None:
        terms = contracts.draft_terms(contract_queries.contract(session, offering.contract_id))
    tolled = len(terms.milestones) if terms.order == SEQUENTIAL else 1
    asked.append(platform.ask(
        platform.hold_limit, arm, long_stop_at=terms.long_stop_at(), tolling_days=rules.TOLLING_DAYS * tolled,
        refund_days=rules.LAST_REFUND_DAYS, held_from=offering.launched_at or now, max_hold_days=rail.max_hold_days,
    ))
    name = CAP_RULES.get(offering.regime)
    # An arm without a cap has nothing to ask; a figure of a later day is never used for it.
    if name is not None and arm.has("issuer"):
        day = figures.deciding_day(offering, now)
        most = offering.maximum_minor if maximum_minor is None else maximum_minor
        asked.append(_cap(name, offering, day, most, raised_before(session, offering, day)))
    return asked


def _cap(name: str, offering: Offering, day: dt.date, maximum_minor: int, sold: int) -> Decision:
    """Ask the regime's own cap rule; all three add what was raised before to the maximum."""
    if name == "issuer_cap":
        found = decide("us.reg_cf", name, day=day, max_offering_minor=maximum_minor,
                       sold_cf_12m_issuer_minor=sold)
    elif name == "offer_threshold":
        found = decide(
            "eu.ecspr", name, day=day, crowdfunding_raised_prev_12m_all_platforms_minor=sold,
            other_prospectus_exempt_public_offers_12m_art_1_3_or_3_2_minor=0, this_offer_minor=maximum_minor,
        )
    else:
        found = decide("uk.fca", name, day=day, offer_date=day, amount_minor=maximum_minor + sold)
    return Decision(
        found.rule_id, found.regime, found.arm, found.source, found.reasons,
        {
            **found.facts, "raised_before_minor": sold, "maximum_minor": maximum_minor,
            "cap_minor": settings.of(offering.regime, day).issuer_cap_minor,
        },
    )


def raised_before(session: Session, offering: Offering, day: dt.date) -> int:
    """Return what the issuer raised or still may raise under this regime in the window before ``day``, minor units.

    Closed offerings count with their proceeds if they closed within the window, others with their maximum. Other
    regimes do not count, nor does this offering.
    """
    since = months_after(day, -settings.of(offering.regime, day).issuer_window_months)
    rows = session.execute(
        sa.select(Offering).where(
            Offering.issuer_id == offering.issuer_id, Offering.regime == offering.regime, Offering.id != offering.id,
            sa.or_(Offering.state.in_(STILL_SELLING), Offering.proceeds_minor.is_not(None)),
        )
    ).scalars()
    total = 0
    for other in rows:
        if other.proceeds_minor is None:
            total += other.maximum_minor
        elif other.closed_at is not None and since < figures.day_of(other, other.closed_at):
            total += other.proceeds_minor
    return total


def _problem(offering: Offering, decision: Decision, reason: str) -> Problem:
    field, words = WORDS[reason]
    asset = money.Asset.parse(offering.currency)
    cap, sold = (_whole(decision.facts.get(name)) for name in ("cap_minor", "raised_before_minor"))
    return Problem(field, reason, words.format(
        regime=_name(offering), cap=money.display_amount(cap, asset), sold=money.display_amount(sold, asset),
        headroom=money.display_amount(max(0, cap - sold), asset),
        needed=_date(decision.facts.get("needed_until")), held=_date(decision.facts.get("held_until")),
    ))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _date(value: object) -> str:
    return f"{value:%d %B %Y}" if isinstance(value, dt.datetime) else ""


def _name(offering: Offering) -> str:
    return records.record(offering.regime).name
