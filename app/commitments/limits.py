"""What an investor may still put in under an offering's regime, over all companies: at commitment and at close (COM-9).

The rules are ``app.regimes``'; here they are fed from what was declared and committed, under a lock per investor, so
that two offerings never both see the same room. For other platforms it relies on what the investor declares.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import Party
from app.commitments import rules
from app.commitments.models import HOLDS_PLACE, Commitment, Refund
from app.errors import Refused
from app.investors import cooling
from app.investors.models import Declaration
from app.offerings import figures
from app.offerings.models import Offering
from app.regimes import records, settings
from app.regimes import service as regimes
from app.regimes.records import Arm
from app.regimes.rules import Decision, decide, platform, us_reg_cf
from app.regimes.rules.us_reg_cf import Purchase
from milestones import money

#: States in which an offering sells nothing any more and gave everything back: what was committed there is free again.
UNSOLD = ("withdrawing", "withdrawn", "failing", "failed")
#: A refund of this reason made the purchase smaller, because the places were divided (OFF-7).
CUT = rules.OVERSUBSCRIBED
#: Longer than any window; the exact edge is drawn in days of each offering's zone.
LOOK_BACK_DAYS = 370


@dataclass(frozen=True, slots=True)
class Bought:
    """A commitment that counts as a purchase: whose, when by its offering's calendar, how much."""

    commitment_id: int
    party_id: int
    day: dt.date
    amount_minor: int


def lock_parties(session: Session, party_ids: Sequence[int]) -> None:
    """Lock investors until the transaction ends, in one order; after the offering's lock, as everywhere."""
    session.execute(
        sa.select(Party.id).where(Party.id.in_(party_ids)).order_by(Party.id).with_for_update(key_share=True)
    ).all()


def demand(
    session: Session, offering: Offering, party_id: int, amount_minor: int, *, now: dt.datetime
) -> list[Decision]:
    """Refuse an amount that the regime does not let this investor put in; return the answers to be stored.

    ``amount_minor`` is what will be charged. Locks the investor. Raises ``Refused`` with the first reason's code:
    ``over_investor_limit`` says in money how much is left; ``facts['reasons']`` holds every reason. ``cooling_off``
    comes first, where a regime gives time to think.
    """
    lock_parties(session, [party_id])
    thought = cooling.demand(session, party_id, offering.regime, figures.day_of(offering, now), now=now)
    asked = answers(session, offering, party_id, amount_minor, now=now)
    _demand_allowed(offering, asked)
    return thought + asked


def _demand_allowed(offering: Offering, asked: Sequence[Decision]) -> None:
    reasons = [reason for each in asked for reason in each.reasons]
    if reasons:
        words = _words(offering, asked)
        raise Refused(words, code=reasons[0], field="amount", facts={"reasons": reasons, "left_minor": left_of(asked)})


def answers(
    session: Session, offering: Offering, party_id: int, amount_minor: int, *, now: dt.datetime
) -> list[Decision]:
    """Ask the regime everything about one investor's amount, by the arm in force on the day of the commitment."""
    day = figures.day_of(offering, now)
    arm = records.arm_on(offering.regime, day)
    declared = latest_declarations(session, [party_id]).get(party_id)
    before = bought(session, offering.regime, [party_id], now=now)
    asked = [platform.ask(platform.investor_category, arm, category=declared.category if declared else None)]
    if not asked[0].allowed:
        return asked
    asked.append(_check(arm, day, declared, amount_minor, before[party_id], committed_at=now))
    more = _BY_REGIME.get(offering.regime)
    if more is not None and declared is not None:
        asked += more(day, declared, amount_minor)
    return asked


def demand_fits(
    session: Session, offering: Offering, party_id: int, amount_minor: int, *, now: dt.datetime
) -> int | None:
    """Refuse as :func:`demand` does, for a page that asks before anything is ordered; locks nothing.

    Returns how much the investor may still put in, None where nothing limits it. Minor units.
    """
    asked = answers(session, offering, party_id, amount_minor, now=now)
    _demand_allowed(offering, asked)
    return left_of(asked)


def left(session: Session, offering: Offering, party_id: int, *, now: dt.datetime) -> int | None:
    """Return how much an investor may still put in; None where nothing limits it. Minor units."""
    return left_of(answers(session, offering, party_id, 0, now=now))


def left_of(asked: Sequence[Decision]) -> int | None:
    """Return what these answers say is left of the limit, None where there is none."""
    found = [each.facts["remaining_before_minor"] for each in asked if each.rule_id == "investor_check"]
    return found[0] if found and isinstance(found[0], int) else None


def store(session: Session, commitment: Commitment, asked: Sequence[Decision], *, now: dt.datetime) -> None:
    """Keep the answers with the commitment they were given for."""
    regimes.record(session, [(commitment.public_id, each) for each in asked], moment="commitment", now=now)


def _check(
    arm: Arm, day: dt.date, declared: Declaration | None, amount_minor: int, before: Sequence[Bought], *,
    committed_at: dt.datetime,
) -> Decision:
    """Ask whether the amount fits beside what was bought before; the declared figures themselves are not kept."""
    if settings.limit_formula(arm) is not None and declared is not None and declared.currency != arm.currency:
        return Decision("investor_check", arm.regime, arm.version, arm.source, ("declared_in_other_currency",),
                        {"remaining_before_minor": 0, "amount_minor": amount_minor})
    found = platform.ask(
        us_reg_cf.investor_check, arm, transaction_date=day,
        accredited=declared is not None and declared.category == platform.ACCREDITED,
        annual_income_minor=declared.income_minor if declared else 0,
        net_worth_minor=declared.net_worth_minor if declared else 0,
        amount_minor=amount_minor,
        prior_purchases=(
            *_elsewhere(arm, declared, day, committed_at), *(Purchase(each.day, each.amount_minor) for each in before),
        ),
    )
    told = {**found.facts, "declaration": declared.public_id if declared else None, "day": day}
    return Decision(found.rule_id, found.regime, found.arm, found.source, found.reasons, told)


def _elsewhere(
    arm: Arm, declared: Declaration | None, day: dt.date, committed_at: dt.datetime
) -> tuple[Purchase, ...]:
    """Return what was bought on other platforms before a commitment, by the declaration; none without a limit.

    It counts from the declaration's day on: what was bought elsewhere later never pushes a commitment out.
    """
    if settings.limit_formula(arm) is None or declared is None or not declared.elsewhere_minor:
        return ()
    if declared.declared_at > committed_at:
        return ()
    return (Purchase(min(declared.declared_at.date(), day), declared.elsewhere_minor),)


def _accredited(day: dt.date, _declared: Declaration, amount_minor: int) -> list[Decision]:
    """Under Rule 506(c) a status must be verified; here by a high investment and a written statement."""
    if amount_minor == 0:  # a page that asks who is admitted, before any amount
        return []
    return [decide(
        "us.reg_d", "rule_506c_minimum_investment", day=day, purchaser_kind="natural_person",
        minimum_investment_minor=amount_minor, equity_owner_count_natural=None, written_representations=True,
        financed_by_third_party=False, actual_knowledge_not_accredited=False,
    )]


def _fits_category(day: dt.date, declared: Declaration, _amount_minor: int) -> list[Decision]:
    """In the United Kingdom the declared figures must fit the category that was declared.

    A restricted investor's percentages are a statement, not a cap that is counted here; without them the answer is no.
    """
    if declared.category == "restricted":
        if declared.invested_bp is None or declared.intends_bp is None:
            arm = records.arm_on("uk.fca", day)
            return [Decision("restricted_investor", arm.regime, arm.version, arm.source, ("percentages_missing",), {})]
        return [decide(
            "uk.fca", "restricted_investor", day=day,
            invested_past_12m_percent_of_net_assets_ppm=declared.invested_bp * 100,
            intends_next_12m_percent_ppm=declared.intends_bp * 100,
        )]
    if declared.category != "high_net_worth":
        return []
    found = decide(
        "uk.fca", "high_net_worth", day=day, income_last_year_minor=declared.income_minor,
        net_assets_last_year_minor=declared.net_worth_minor,
    )
    return [found]


def _guard(day: dt.date, declared: Declaration, amount_minor: int) -> list[Decision]:
    """In the Union a large amount needs warning, consent and proof first; each commitment here has confirmed all three.

    Nobody commits without having understood and without confirming the statements of loss (PPL-3), so that the guard
    never stops anybody: it is no cap. What it found is kept.
    """
    return [decide(
        "eu.ecspr", "art_21_7_guard", day=day, sophisticated=declared.category in ("sophisticated", "professional"),
        net_worth_minor=declared.net_worth_minor, amount_minor=amount_minor, risk_warning_given=True,
        explicit_consent=True, proved_understanding=True,
    )]


_BY_REGIME = {"us.reg_d_506c": _accredited, "uk.fca": _fits_category, "eu.ecspr": _guard}


def bought(
    session: Session, regime: str, party_ids: Sequence[int] | sa.Select[tuple[int]], *, now: dt.datetime
) -> Mapping[int, list[Bought]]:
    """Return by investor what they bought under a regime lately, oldest first, over all issuers and offerings.

    Every commitment that holds a place counts with its amount, paid or not; one cut at its close with what was left;
    none of an offering that gave everything back.
    """
    cut = (
        sa.select(sa.func.coalesce(sa.func.sum(Refund.amount_minor), 0))
        .where(Refund.commitment_id == Commitment.id, Refund.reason == CUT)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(Commitment.id, Commitment.party_id, Commitment.created_at, Commitment.amount_minor - cut, Offering)
        .join(Offering, Offering.id == Commitment.offering_id)
        .where(
            Commitment.party_id.in_(party_ids), Commitment.status.in_(HOLDS_PLACE), Offering.regime == regime,
            Offering.state.not_in(UNSOLD), Commitment.created_at > now - dt.timedelta(days=LOOK_BACK_DAYS),
        )
        .order_by(Commitment.id)
    )
    found: dict[int, list[Bought]] = defaultdict(list)
    for commitment_id, party_id, created_at, amount, offering in rows:
        found[party_id].append(Bought(commitment_id, party_id, figures.day_of(offering, created_at), int(amount)))
    return found


def latest_declarations(
    session: Session, party_ids: Sequence[int] | sa.Select[tuple[int]]
) -> Mapping[int, Declaration]:
    """Return the latest declaration of each of these investors, in one query."""
    newest = sa.select(sa.func.max(Declaration.id)).where(Declaration.party_id.in_(party_ids)).group_by(
        Declaration.party_id
    )
    return {row.party_id: row for row in session.scalars(sa.select(Declaration).where(Declaration.id.in_(newest)))}


def over_at_close(session: Session, offering: Offering, *, now: dt.datetime) -> list[Commitment]:
    """Ask about every paid commitment once more, store the answers, and return those that no longer fit (COM-9).

    Each is judged by the arm of its own day and by what the same investor bought before it; what came later never
    pushes it out. Of the declaration it was made under and the one that stands now the one that allows more counts: to
    declare less after the last moment to cancel is no way out (COM-6). A constant number of queries.
    """
    if not records.record(offering.regime).arms[-1].has("investor_limit"):
        return []
    held = session.scalars(
        sa.select(Commitment)
        .where(Commitment.offering_id == offering.id, Commitment.status == "held")
        .order_by(Commitment.id)
    ).all()
    if not held:
        return []
    everybody = sa.select(Commitment.party_id).where(
        Commitment.offering_id == offering.id, Commitment.status == "held"
    )
    session.execute(
        sa.select(Party.id).where(Party.id.in_(everybody)).order_by(Party.id).with_for_update(key_share=True)
    ).all()
    declared, own = latest_declarations(session, everybody), _declared_at_commitment(session, offering, everybody)
    # The oldest commitment here looks back a whole window of its own.
    since = min(each.created_at for each in held)
    before = bought(session, offering.regime, everybody, now=since)
    judged, over, gone = [], [], set()
    for commitment in held:
        day = figures.day_of(offering, commitment.created_at)
        earlier = [
            each for each in before[commitment.party_id]
            if each.commitment_id < commitment.id and each.commitment_id not in gone
        ]
        decision = max(
            (
                _check(
                    records.arm_on(offering.regime, day), day, each, commitment.amount_minor, earlier,
                    committed_at=commitment.created_at,
                )
                for each in (declared.get(commitment.party_id), own.get(commitment.public_id))
            ),
            key=_allows,
        )
        judged.append((commitment.public_id, decision))
        if not decision.allowed:
            over.append(commitment)
            gone.add(commitment.id)
    regimes.record(session, judged, moment="close", now=now)
    return over


def _allows(decision: Decision) -> tuple[bool, bool, int]:
    """Order answers to one question by how much they allow; no limit allows most."""
    left_minor = decision.facts.get("remaining_before_minor")
    return decision.allowed, left_minor is None, left_minor if isinstance(left_minor, int) else 0


def _declared_at_commitment(
    session: Session, offering: Offering, party_ids: sa.Select[tuple[int]]
) -> Mapping[str, Declaration]:
    """Return the declaration that each held commitment was let in by, by the commitment's public id."""
    by_id = {
        each.public_id: each
        for each in session.scalars(sa.select(Declaration).where(Declaration.party_id.in_(party_ids)))
    }
    held = sa.select(Commitment.public_id).where(Commitment.offering_id == offering.id, Commitment.status == "held")
    told = regimes.facts_of(session, held, rule_id="investor_check", moment="commitment")
    return {
        commitment_id: by_id[str(facts["declaration"])]
        for commitment_id, facts in told.items() if facts.get("declaration") in by_id
    }


def may_still_be_revoked(session: Session, offering: Offering, *, now: dt.datetime) -> bool:
    """Whether somebody's days to think outlive the deadline: the offering is decided after them."""
    if not figures.of(offering).reflection_days:
        return False
    newest = session.scalar(
        sa.select(sa.func.max(Commitment.created_at)).where(
            Commitment.offering_id == offering.id, Commitment.status.in_(HOLDS_PLACE)
        )
    )
    ends = figures.reflection_ends(offering, newest) if newest is not None else None
    return ends is not None and now <= ends


def _words(offering: Offering, asked: Sequence[Decision]) -> str:
    """Say everything that stands against an amount, in money and with what to do."""
    asset = money.Asset.parse(offering.currency)
    name = records.record(offering.regime).name

    def shown(decision: Decision, fact: str) -> str:
        value = decision.facts.get(fact)
        return money.display_amount(value if isinstance(value, int) else 0, asset)

    words = []
    for decision in asked:
        for reason in decision.reasons:
            words.append(_WORDS[reason].format(
                regime=name, left=shown(decision, "remaining_before_minor"), limit=shown(decision, "limit_minor"),
                used=shown(decision, "prior_12m_minor"), least=shown(decision, "least_minor"),
            ))
    if left_of(asked) == 0 and words and "over_investor_limit" in asked[-1].reasons:
        return _USED_UP.format(limit=shown(asked[-1], "limit_minor"), regime=name)
    return " ".join(words)


_USED_UP = (
    "Your yearly limit of {limit} under {regime} is used up. Nothing was charged. It counts your commitments here of "
    "the last 12 months, to all companies under these rules."
)
_WORDS = {
    "over_investor_limit": "Enter {left} or less: your yearly limit has {left} left. The limit is {limit} over all "
                           "companies under {regime}, and {used} of it is committed. Nothing was charged.",
    "declared_in_other_currency": "{regime} counts in another currency than you declared in. Declare your income and "
                                  "net worth again in that currency. Nothing was charged.",
    "declaration_missing": "Declare your category, income and net worth first: {regime} asks for them.",
    "category_not_admitted": "{regime} does not admit investors of the category that you declared. Nothing was "
                             "charged.",
    "below_minimum_investment": "Enter {least} or more: under {regime} your status must be verified, and a smaller "
                                "amount does not verify it.",
    "below_high_net_worth": "The income and net worth that you declared are below those of a high net worth investor. "
                            "Declare the category that fits you.",
    "percentages_missing": "Declare your category again: a restricted investor states which part of their net assets "
                           "went, and will go, into such investments. Nothing was charged.",
    "invested_too_much": "You stated that more of your net assets went into such investments than {regime} lets a "
                         "restricted investor put in. Nothing was charged.",
    "intends_too_much": "You stated that you mean to put more of your net assets into such investments than {regime} "
                        "lets a restricted investor put in. Nothing was charged.",
    "no_figures_for_this_day": "{regime} has no figures for today, so nothing can be committed under it.",
    "risk_warning_missing": "Read and confirm the warning first.",
    "consent_missing": "Confirm first that you agree to this amount.",
    "understanding_not_proved": "Answer the questions about the risks first.",
}
