"""What a payment taken back takes with it: money first where it still is, tokens with the money (WND-4, REL-3).

Pure arithmetic over one investor's holding. In which accounts these amounts stand, and who is told, is the caller's.
No function here reads or changes anybody else's holding: that is how no other investor's money or tokens ever fall.
"""

from typing import NamedTuple

from milestones.money import Asset, tokens_for


class Holding(NamedTuple):
    """One investor's money and tokens in an offering, minor units and whole tokens."""

    unreleased_minor: int
    released_minor: int
    issued_tokens: int
    entitled_tokens: int


class Apart(NamedTuple):
    """What an open dispute sets apart: the investor's own unreleased money, and the tokens it was to buy."""

    holding: Holding
    minor: int
    tokens: int


class Taken(NamedTuple):
    """Where a lost amount came from, in the order of the waterfall; the four amounts sum to it.

    `cancelled_tokens` existed, `lapsed_tokens` were still to come.
    """

    holding: Holding
    unreleased_minor: int
    set_off_minor: int
    claim_minor: int
    loss_minor: int
    cancelled_tokens: int
    lapsed_tokens: int

    @property
    def released_minor(self) -> int:
        """The released money that was reversed: set off against the issuer's payable, or a claim on the issuer."""
        return self.set_off_minor + self.claim_minor


class Restored(NamedTuple):
    """What a won dispute gives back in tokens. `left_tokens` are for what is still taken back of the same holding."""

    holding: Holding
    reissued_tokens: int
    due_tokens: int
    left_tokens: int


def set_apart(holding: Holding, amount_minor: int, price_micro: int, asset: Asset) -> Apart:
    """Set apart the unreleased money of a disputed payment, as far as it goes; issued tokens stay for now."""
    minor = min(amount_minor, holding.unreleased_minor)
    unreleased = holding.unreleased_minor - minor
    entitled = _entitled(holding, unreleased + holding.released_minor, holding.issued_tokens, price_micro, asset)
    after = holding._replace(unreleased_minor=unreleased, entitled_tokens=entitled)
    return Apart(after, minor, holding.entitled_tokens - entitled)


def take(holding: Holding, amount_minor: int, payable_minor: int, price_micro: int, asset: Asset) -> Taken:
    """Take a lost amount: own unreleased money, then released money (set off against `payable_minor`, else a claim).

    What the holding does not have any more was paid back before: it is a loss. The tokens that remain are those that
    the remaining money buys.
    """
    unreleased = min(amount_minor, holding.unreleased_minor)
    released = min(amount_minor - unreleased, holding.released_minor)
    set_off = min(released, payable_minor)
    kept_unreleased, kept_released = holding.unreleased_minor - unreleased, holding.released_minor - released
    bought = tokens_for(kept_released, price_micro, asset) if released else holding.issued_tokens
    issued = min(holding.issued_tokens, bought)
    entitled = _entitled(holding, kept_unreleased + kept_released, issued, price_micro, asset)
    cancelled = holding.issued_tokens - issued
    return Taken(
        Holding(kept_unreleased, kept_released, issued, entitled), unreleased, set_off, released - set_off,
        amount_minor - unreleased - released, cancelled, holding.entitled_tokens - entitled - cancelled,
    )


def restore(
    holding: Holding, unreleased_minor: int, released_minor: int, tokens: int, price_micro: int, asset: Asset
) -> Restored:
    """Give back what was taken: money as it was, and of `tokens` as many as all of the money then buys."""
    unreleased = holding.unreleased_minor + unreleased_minor
    released = holding.released_minor + released_minor
    most = holding.entitled_tokens + tokens
    entitled = max(holding.entitled_tokens, min(most, tokens_for(unreleased + released, price_micro, asset)))
    issued = holding.issued_tokens
    if released_minor:
        issued = max(issued, min(entitled, tokens_for(released, price_micro, asset)))
    reissued = issued - holding.issued_tokens
    due = entitled - holding.entitled_tokens - reissued
    return Restored(Holding(unreleased, released, issued, entitled), reissued, due, most - entitled)


def _entitled(holding: Holding, kept_minor: int, issued: int, price_micro: int, asset: Asset) -> int:
    return max(issued, min(holding.entitled_tokens, tokens_for(kept_minor, price_micro, asset)))
