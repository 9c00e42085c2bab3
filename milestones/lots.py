"""Draw by lot so that anybody can recompute it (MIL-9): no clock, no randomness, no candidate is preferred.

A seed is 64 hexadecimal digits. Its commitment, the SHA-256 of these digits, is published before the draw; the draw
reveals the seed, and candidates are ranked by the SHA-256 of seed, context and candidate, a newline between them. Who
may be drawn is the caller's; where seeds come from and when they are committed is the application's.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

SEED_DIGITS = 64
WHOLE_BP = 10_000


class DrawError(ValueError):
    """A draw that cannot be made or does not hold. `code` is stable, `message` says what is wrong with it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Ticket:
    """One candidate with its rank, 64 hexadecimal digits; the lowest rank is drawn first."""

    candidate: str
    rank: str


def commitment(seed: str) -> str:
    """Return what is published of a seed before it is revealed. Raises DrawError `seed_malformed`."""
    if len(seed) != SEED_DIGITS or not set(seed) <= set("0123456789abcdef"):
        raise DrawError("seed_malformed", "A seed has 64 hexadecimal digits, in small letters.")
    return hashlib.sha256(seed.encode()).hexdigest()


def rank(seed: str, context: str, candidate: str) -> str:
    """Return a candidate's rank in one draw: SHA-256 over seed, context and candidate on a line each, no last newline.

    `context` names the draw and holds what the seed's owner did not know when committing to it.
    """
    commitment(seed)
    if not context or not candidate or "\n" in context + candidate:
        raise DrawError("draw_malformed", "Context and candidate are one line each, and not empty.")
    return hashlib.sha256(f"{seed}\n{context}\n{candidate}".encode()).hexdigest()


def order(seed: str, context: str, candidates: Collection[str]) -> tuple[Ticket, ...]:
    """Rank all candidates, the first drawn first. In which order they are given does not matter.

    Raises DrawError `candidate_repeated`: nobody has two tickets.
    """
    if len(set(candidates)) != len(candidates):
        raise DrawError("candidate_repeated", "A candidate stands in the draw twice.")
    tickets = (Ticket(candidate, rank(seed, context, candidate)) for candidate in candidates)
    return tuple(sorted(tickets, key=lambda ticket: (ticket.rank, ticket.candidate)))


def seated(
    drawn: Sequence[str], seats: int, ties: Mapping[str, frozenset[str]], taken: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Give the seats to the first who are independent of each other and of those who sit already (MIL-8).

    `ties` names what each candidate shares with others (an employer, an address); `taken` what those who sit have.
    Whoever shares one with somebody seated before is passed over. Fewer than `seats` come back when there are no more.
    """
    chosen: list[str] = []
    for candidate in drawn:
        if len(chosen) == seats:
            break
        own = ties.get(candidate, frozenset())
        if own.isdisjoint(taken):
            chosen.append(candidate)
            taken |= own
    return tuple(chosen)


def is_sampled(seed: str, context: str, candidate: str, share_bp: int) -> bool:
    """Say whether one thing is drawn into a sample of `share_bp` basis points of all such things (MIL-15)."""
    return int(rank(seed, context, candidate), 16) % WHOLE_BP < share_bp


def verify(seed: str, published: str, context: str, tickets: Sequence[Ticket]) -> None:
    """Recompute a draw.

    Raises DrawError `seed_not_committed`, `rank_wrong` or `order_wrong` at the first that differs.
    """
    if commitment(seed) != published:
        raise DrawError("seed_not_committed", "The seed is not the one that was committed before.")
    for ticket in tickets:
        if rank(seed, context, ticket.candidate) != ticket.rank:
            raise DrawError("rank_wrong", f"The rank of {ticket.candidate} is another.")
    if tuple(tickets) != order(seed, context, [ticket.candidate for ticket in tickets]):
        raise DrawError("order_wrong", "The candidates do not stand in the order of their ranks.")
