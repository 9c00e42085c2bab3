"""Write a forecast for people, line by line, and for programs, as plain values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from app import formats
from app.forecast import Forecast
from app.forecast.rehearsal import Act, Move
from app.forecast.standing import Exit, Waiting
from app.forecast.subjects import JOBS
from app.ledger import chart

#: kind of account → whose the money on it is
WHOSE = {
    "escrow": "the investors'", "unapplied": "its payer's", "refunds": "the investors'", "unclaimed": "the investors'",
    "payable": "the company's", "paying": "the company's", "fees": "Milestake's", "capital": "Milestake's",
    "loss": "Milestake's", "expense": "the provider's", "cash": "at the rail",
}


@dataclass(frozen=True, slots=True)
class Line:
    """What one job does at one instant, to one thing or to several of the same offering; the same moves are added."""

    at: dt.datetime
    zone: str
    job: str
    words: str
    offering: str
    things: tuple[str, ...]
    number: int | None
    moves: tuple[Move, ...]
    changes: tuple[str, ...]
    error: str | None

    @property
    def count(self) -> int:
        return len(self.things)


def lines(acts: Sequence[Act]) -> list[Line]:
    """Return the acts for reading, in their order, with those that follow each other of one kind as one."""

    def kind(act: Act) -> tuple[object, ...]:
        number = act.subject.number
        return act.at, act.job, act.subject.offering_id, number, act.error

    return [_line(list(group)) for _kind, group in groupby(acts, key=kind)]


def _line(acts: Sequence[Act]) -> Line:
    first = acts[0]
    moved: dict[tuple[str, str, str], Move] = {}
    for move in (move for act in acts for posted in act.journals for move in posted.moves):
        key = (move.asset, move.source, move.target)
        before = moved.get(key)
        moved[key] = move if before is None else Move(
            move.asset, before.amount + move.amount, move.source, move.target, before.holders + move.holders
        )
    subject = first.subject
    words = JOBS.get(first.job, ("", first.job.replace("_", " ")))[1]
    return Line(
        first.at, subject.zone, first.job, words, subject.offering,
        tuple(act.subject.public_id for act in acts), subject.number, tuple(moved.values()),
        tuple(dict.fromkeys(change.action for act in acts for change in act.changes)), first.error,
    )


# -- words ------------------------------------------------------------------------------------------


def money_of(moves: Sequence[Move]) -> list[Move]:
    """Return the moves of money, without those of tokens."""
    return [each for each in moves if each.is_money]


def place(address: str) -> str:
    """Say an account with whose it is: ``escrow (the investors')``."""
    kind = address.split(":", 1)[0]
    return f"{kind} ({WHOSE[kind]})" if kind in WHOSE else kind


def move_text(move: Move) -> str:
    """Say one move: amount, from where to where, and how many investors have a part in it."""
    if not move.is_money:
        return f"{move.amount:,} {move.asset.split('/')[0]} tokens  {place(move.source)} → {place(move.target)}"
    source, target = place(move.source), place(move.target)
    sides = [chart.Account(each, move.asset).side for each in (move.source, move.target)]
    if sides == [chart.CREDIT, chart.DEBIT] and target.startswith("cash"):
        target = "out, at the rail"
    elif sides == [chart.DEBIT, chart.CREDIT] and source.startswith("cash"):
        source = "in, at the rail"
    of = f", {move.holders} investor{'s' if move.holders > 1 else ''}" if move.holders else ""
    return f"{formats.money_text(move.amount, move.asset)}  {source} → {target}{of}"


def thing_text(line: Line) -> str:
    """Name what a line is about."""
    milestone = f", milestone {line.number}" if line.number is not None else ""
    count = f", {line.count} times" if line.count > 1 else ""
    own = f" ({line.things[0]})" if line.count == 1 and line.things[0] else ""
    return f"{line.offering}{milestone}{count}{own}" if line.offering else "the platform"


def text(found: Forecast) -> str:
    """Return the whole forecast for a person."""
    return "\n".join(_text(found))


def _text(found: Forecast) -> Iterator[str]:
    yield (f"What will happen from {formats.instant_text(found.begins_at)} to {formats.instant_text(found.ends_at)}, "
           "business time.")
    yield from (f"  {each}" for each in found.assumptions)
    yield ""
    by_instant = groupby(lines(found.acts), key=lambda line: (line.at, line.zone))
    for (at, zone), group in by_instant:
        yield formats.instant_text(at, zone)
        for line in group:
            yield f"  {line.job:<18} {thing_text(line)}: {line.words}"
            yield from (f"      {move_text(move)}" for move in line.moves)
            if line.error:
                yield f"      FAILS: {line.error}"
    if not found.acts:
        yield "Nothing."
    yield ""
    yield "What waits for a person"
    yield from (f"  {waiting_text(each)}" for each in found.waiting)
    if not found.waiting:
        yield "  Nothing."
    yield ""
    yield "How the money that is owed when this window ends gets out, if nobody ever acts"
    yield from (f"  {exit_text(each)}" for each in found.exits)
    if not found.exits:
        yield "  Nothing is owed."
    yield ""
    yield conclusion(found)


def waiting_text(each: Waiting) -> str:
    """Say what waits for somebody: who must do what by when, and what silence means."""
    by = f"by {formats.instant_text(each.at, each.zone)}" if each.at else "without a date"
    return f"{each.thing} ({each.state.replace('_', ' ')}): {each.owner}, {each.action} {by}; otherwise {each.default}"


def exit_text(each: Exit) -> str:
    """Say how one balance gets out."""
    kind = each.address.split(":", 1)[0]
    amount = formats.money_text(each.left_minor or each.amount_minor, each.asset)
    if each.is_dated and each.emptied_at:
        return f"{each.offering}, {kind}: {amount} has left by {formats.instant_text(each.emptied_at, each.zone)}"
    if each.owner:
        return f"{each.offering}, {kind}: {amount} stays for its owner in charge: {each.owner}, {each.reason}"
    return f"{each.offering}, {kind}: {amount} HAS NO WAY OUT: nothing moves it, and nobody is named"


def conclusion(found: Forecast) -> str:
    """Say in one sentence whether every cent has an exit."""
    if found.cut_short:
        return "CUT SHORT: more falls due than a rehearsal does, so nothing is said of the rest."
    if not found.is_sound:
        return "NOT EVERY cent has a way out: the list of balances names those that have none."
    on_list = sum(not each.is_dated for each in found.exits)
    last = max((each.emptied_at for each in found.exits if each.emptied_at), default=None)
    rest = f", the last of all by {formats.instant_text(last)}" if last else ""
    return (f"Every cent has a way out: {len(found.exits) - on_list} balance(s) leave by themselves{rest}; "
            f"{on_list} wait(s) for a named person.")


# -- values -----------------------------------------------------------------------------------------


def document(found: Forecast) -> dict[str, object]:
    """Return the forecast for programs; amounts as {minor, currency}, tokens as {tokens, class}."""
    return {
        "ok": found.is_sound,
        "begins_at": found.begins_at,
        "ends_at": found.ends_at,
        "assumptions": list(found.assumptions),
        "acts": [_act(each) for each in found.acts],
        "waiting": [
            {"at": each.at, "zone": each.zone, "owner": each.owner, "action": each.action, "default": each.default,
             "thing": each.thing, "state": each.state}
            for each in found.waiting
        ],
        "exits": [
            {"account": each.address, "offering": each.offering,
             "amount": {"minor": each.amount_minor, "currency": each.asset}, "emptied_at": each.emptied_at,
             "left": {"minor": each.left_minor, "currency": each.asset}, "owner": each.owner, "reason": each.reason}
            for each in found.exits
        ],
        "without_effect": dict(found.quiet),
    }


def _act(act: Act) -> dict[str, object]:
    return {
        "at": act.at, "zone": act.subject.zone, "job": act.job, "object": act.subject.public_id,
        "offering": act.subject.offering_id, "milestone": act.subject.number, "error": act.error,
        "changes": [{"action": each.action, "object": each.object_id} for each in act.changes],
        "journals": [
            {"kind": posted.kind, "moves": [_move(each) for each in posted.moves]} for posted in act.journals
        ],
    }


def _move(move: Move) -> dict[str, object]:
    amount: dict[str, object] = (
        {"minor": move.amount, "currency": move.asset} if move.is_money
        else {"tokens": move.amount, "class": move.asset.split("/")[0]}
    )
    return {
        **amount, "from": move.source, "to": move.target, "investors": move.holders,
        "whose": WHOSE.get(move.source.split(":", 1)[0], ""),
    }
