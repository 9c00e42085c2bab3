"""What an offering's money should be, kept in plain dictionaries and worked out by arithmetic of its own.

Nothing here imports the program: a rule that both read could be wrong in both. The model is told what each person did
and reads the program's journals one by one; it says what each of them must have contained, and objects to one that
nobody and no deadline had caused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

WHOLE_BP, WHOLE_PCT = 10_000, 100


def shares(amount: int, weights: Mapping[int, int]) -> dict[int, int]:
    """Divide an amount by largest remainder, ties to the lower key (REL-2)."""
    total = sum(weights.values())
    if not amount or not total:
        return dict.fromkeys(weights, 0)
    found = {key: amount * weight // total for key, weight in weights.items()}
    left = amount - sum(found.values())
    for key in sorted(weights, key=lambda key: (-(amount * weights[key] % total), key))[:left]:
        found[key] += 1
    return found


def cumulative(amount: int, bps: Sequence[int]) -> list[int]:
    """Divide an amount into tranches so that the first k together are floored (MIL-1)."""
    total, upto = sum(bps), 0
    ends = []
    for bp in bps:
        upto += bp
        ends.append(amount * upto // total)
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def tokens_for(minor: int, price_micro: int) -> int:
    """Count the whole tokens an amount in cents buys."""
    return minor * 10_000 // price_micro


class Wrong(AssertionError):
    """The program did something that the model does not allow."""


def demand(condition: object, words: str) -> None:
    """Object unless the condition holds."""
    if not condition:
        raise Wrong(words)


class Books:
    """One offering in dictionaries: orders, positions, milestones and what left escrow."""

    def __init__(self, *, price_micro: int, fee_bp: int, minimum_minor: int, maximum_minor: int) -> None:
        self.terms = {"price": price_micro, "fee_bp": fee_bp, "minimum": minimum_minor, "maximum": maximum_minor}
        #: commitment id → what was ordered and where its money is
        self.orders: dict[int, dict[str, Any]] = {}
        #: ordinal → the state last seen, its share of the proceeds, the findings given on its newest submission
        self.milestones: dict[int, dict[str, Any]] = {}
        self.company = {"gross": 0, "fees": 0}
        self.proceeds: int | None = None

    # -- what people did ------------------------------------------------------------------------------

    def ordered(self, key: int, *, investor: int, amount_minor: int, tokens: int, charged_minor: int) -> None:
        """Note an order that was accepted, and check its arithmetic (COM-3)."""
        price = self.terms["price"]
        demand(tokens == tokens_for(amount_minor, price), f"{amount_minor} buys {tokens} tokens")
        demand(charged_minor == -(-tokens * price // 10_000), f"{tokens} tokens cost {charged_minor}")
        demand(self.held_places() + charged_minor <= self.terms["maximum"], "more than the maximum (OFF-5)")
        self.orders[key] = {
            "investor": investor, "tokens": tokens, "charged": charged_minor, "over": False, "paid": 0,
            "unreleased": 0, "released": 0, "issued": 0, "entitled": tokens, "refunded": 0,
        }

    def held_places(self) -> int:
        """Sum what unended orders take of the maximum."""
        return sum(order["charged"] for order in self.orders.values() if not order["over"])

    def planned(self, milestones: Sequence[Mapping[str, Any]], *, sequential: bool) -> None:
        """Note the plan: each milestone's ordinal, bp, approvals, criteria, partial and retained_bp.

        ``criteria`` has the weight and the ``must`` of each; ``partial`` says how many releases in part there may be.
        """
        self.sequential = sequential
        for each in milestones:
            self.milestones[each["ordinal"]] = {
                **each, "findings": {}, "panel": None, "share": 0, "parts": 0, "kept": 0, "retains": False,
                "released": 0, "returned": 0, "tranche": None, "settled": False,
            }

    def submitted(self, ordinal: int) -> None:
        """Note a submission: findings on the one before say nothing about it."""
        demand(ordinal in self.milestones, "there is no such milestone")
        if self.sequential:
            earlier = [n for n in self.milestones if n < ordinal and self._gates(n)]
            demand(not earlier, f"{ordinal} was submitted before {earlier} was settled (MIL-6)")
        self.milestones[ordinal]["findings"], self.milestones[ordinal]["panel"] = {}, None

    def _gates(self, ordinal: int) -> bool:
        milestone = self.milestones[ordinal]
        return not milestone["settled"] and milestone["share"] < WHOLE_PCT

    def disputed(self, ordinal: int) -> None:
        """Note that the verdict is before a panel: from now on its findings are those that count (MIL-10)."""
        if self.milestones[ordinal]["panel"] is None:
            self.milestones[ordinal]["panel"] = {}

    def judged(self, ordinal: int, member: int, findings: Mapping[str, int]) -> None:
        """Note the findings of one member of the panel: criterion → percent."""
        self.milestones[ordinal]["panel"][member] = dict(findings)

    def attested(self, ordinal: int, auditor: int, findings: Mapping[str, int]) -> None:
        """Note one auditor's findings: criterion → percent."""
        given = self.milestones[ordinal]["findings"]
        demand(auditor not in given, "an auditor signed twice")
        given[auditor] = dict(findings)

    def verdict_pct(self, ordinal: int) -> int:
        """Work out what the findings allow: the k-th highest of each criterion, weighed in steps of 10 (MIL-7, MIL-11).

        Two of the three members of a panel decide where there is one (MIL-10).
        """
        milestone = self.milestones[ordinal]
        by_panel = milestone["panel"] is not None
        findings = list((milestone["panel"] if by_panel else milestone["findings"]).values())
        approvals = 2 if by_panel else milestone["approvals"]
        criteria = {"retainage": (WHOLE_BP, True)} if milestone["retains"] else milestone["criteria"]
        results = {}
        for criterion in criteria:
            given = sorted((each.get(criterion, 0) for each in findings), reverse=True)
            results[criterion] = given[approvals - 1] if len(given) >= approvals else 0
        if all(result == WHOLE_PCT for result in results.values()):
            return WHOLE_PCT
        if any(must and results[key] < WHOLE_PCT for key, (_weight, must) in criteria.items()):
            return 0
        share = sum(weight * results[key] for key, (weight, _must) in criteria.items()) // WHOLE_BP // 10 * 10
        rises = share > milestone["share"] and milestone["parts"] < milestone["partial"]
        return share if share >= 50 and rises else 0

    # -- what the program wrote -----------------------------------------------------------------------

    def closed(self, proceeds: int) -> None:
        """Check that the proceeds are what is held, at least the minimum; turn tranches into money (OFF-5, MIL-1)."""
        held = sum(order["unreleased"] for order in self.orders.values())
        demand(proceeds == held, f"proceeds {proceeds}, but {held} is held")
        demand(proceeds >= self.terms["minimum"], "closed below the minimum")
        self.proceeds = proceeds
        ordinals = sorted(self.milestones)
        amounts = cumulative(proceeds, [self.milestones[n]["bp"] for n in ordinals])
        for ordinal, amount in zip(ordinals, amounts, strict=True):
            self.milestones[ordinal]["tranche"] = amount

    def moved(self, key: int, kind: str, amount_minor: int) -> None:
        """Apply a movement of one order's own money: ``paid`` in, everything else back to its investor."""
        order = self.orders[key]
        if kind == "paid":
            order["paid"] += amount_minor
            demand(order["paid"] <= order["charged"], "more than the order was booked into escrow (COM-5)")
        else:
            demand(amount_minor < 0, f"“{kind}” put money into escrow")
            demand(order["released"] == 0, f"“{kind}” after a release")
        order["unreleased"] += amount_minor
        demand(order["unreleased"] >= 0, "escrow of one order below 0")

    def left_escrow(self, kind: str, ordinal: int | None, amount: int, fee: int) -> dict[int, tuple[int, int]]:
        """Divide what left escrow and return each order's (money, tokens); object where nothing allowed it (REL-2).

        ``kind`` is ``released`` or ``returned``; ``ordinal`` None is the rest at a wind-down.
        """
        milestone = self.milestones.get(ordinal) if ordinal is not None else None
        weights = {key: order["unreleased"] for key, order in self.orders.items() if order["unreleased"]}
        divided = shares(amount, weights)
        if kind == "released":
            demand(milestone is not None, "a release for no milestone")
            assert ordinal is not None and milestone is not None
            self._demand_releasable(ordinal, milestone, amount)
            demand(fee == amount * self.terms["fee_bp"] // WHOLE_BP, f"a fee of {fee} on {amount} (REL-4)")
            self.company["gross"] += amount
            self.company["fees"] += fee
        else:
            demand(fee == 0, "a fee on money that goes back (REL-4)")
        if milestone is not None:
            milestone[kind] += amount
            gone = milestone["released"] + milestone["returned"]
            demand(gone <= milestone["tranche"], f"{ordinal}: more than its tranche")
        return {key: self._take(self.orders[key], share, kind) for key, share in divided.items() if share}

    def _demand_releasable(self, ordinal: int, milestone: dict[str, Any], amount: int) -> None:
        share = self.verdict_pct(ordinal) if ordinal else WHOLE_PCT
        demand(share, f"milestone {ordinal} was released although its findings allow nothing (MIL-7)")
        if milestone["retains"]:
            demand(amount == milestone["kept"], f"{ordinal}: {amount} of a retained part of {milestone['kept']}")
            milestone["retains"], milestone["kept"] = False, 0
            return
        if self.sequential:
            open_before = [n for n in self.milestones if n < ordinal and self._gates(n)]
            demand(not open_before, f"{ordinal} was released before {open_before}")
        earned = milestone["tranche"] * share // WHOLE_PCT
        kept = earned * milestone["retained_bp"] // WHOLE_BP
        demand(amount == earned - kept - milestone["released"], f"{ordinal}: {amount} released at {share} % (MIL-11)")
        milestone["share"], milestone["kept"] = share, kept
        milestone["retains"] = share == WHOLE_PCT and kept > 0
        milestone["parts"] += share < WHOLE_PCT
        milestone["findings"], milestone["panel"] = {}, None

    def _take(self, order: dict[str, Any], share: int, kind: str) -> tuple[int, int]:
        price = self.terms["price"]
        order["unreleased"] -= share
        if kind == "returned":
            order["entitled"] = max(
                order["issued"],
                min(order["tokens"], tokens_for(order["released"] + order["unreleased"], price)),
            )
            return share, 0
        order["released"] += share
        whole = min(order["entitled"], tokens_for(order["released"] + order["unreleased"], price))
        holds = whole if order["unreleased"] == 0 else min(whole, tokens_for(order["released"], price))
        issued, order["issued"] = holds - order["issued"], holds
        return share, issued
