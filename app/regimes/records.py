"""Read the regime records: dated arms of figures, kept as data files beside this module.

An arm says from which day it holds, where it comes from, and only the figures that it changes; everything else stands
from the arm before. A day before the first arm has no figures at all: nothing is ever judged by a later law.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from app.errors import Refused
from milestones import money

DATA = Path(__file__).parent / "data"


class NoFigures(Refused):
    """The regime has no figures for this day, or none of this name: the answer is no (fail closed)."""

    code = "regime_has_no_figures"


@dataclass(frozen=True, slots=True)
class Arm:
    """What one regime says from ``effective_from`` until the next arm, whole: groups of named figures."""

    regime: str
    effective_from: dt.date
    source: str
    currency: str
    #: Figures that are our own policy and stand in no law; ``("all",)`` for a regime that is none.
    policy: tuple[str, ...]
    groups: Mapping[str, Mapping[str, object]]

    @property
    def version(self) -> str:
        """Name the arm: ``us.reg_cf@2022-09-20``."""
        return f"{self.regime}@{self.effective_from.isoformat()}"

    def has(self, group: str, name: str | None = None) -> bool:
        """Say whether the arm has this group, or this figure of it."""
        return group in self.groups and (name is None or name in self.groups[group])

    def raw(self, group: str, name: str) -> object:
        """Return a figure as it stands in the file. Raises :class:`NoFigures`."""
        if not self.has(group, name):
            raise NoFigures(
                f"{self.version} says nothing about {group}.{name}, so it cannot be decided by it.",
                facts={"arm": self.version, "figure": f"{group}.{name}"},
            )
        return self.groups[group][name]

    def whole(self, group: str, name: str) -> int:
        """Return a whole number: days, hours, months, basis points, a count."""
        value = self.raw(group, name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{self.version} {group}.{name} is no whole number")
        return value

    def minor(self, group: str, name: str) -> int:
        """Return an amount in minor units of the regime's currency, read exactly."""
        return money.parse_amount(str(self.raw(group, name)), money.Asset.parse(self.currency))

    def names(self, group: str, name: str) -> tuple[str, ...]:
        """Return a list of words."""
        value = self.raw(group, name)
        if not isinstance(value, list):
            raise TypeError(f"{self.version} {group}.{name} is no list")
        return tuple(str(each) for each in value)


@dataclass(frozen=True, slots=True)
class Record:
    """A regime: its name for people, one line of plain words, and its arms, oldest first."""

    regime: str
    name: str
    words: str
    offerable: bool
    arms: tuple[Arm, ...]

    def arm_on(self, day: dt.date) -> Arm:
        """Return the arm in force on a day. Raises :class:`NoFigures` before the first."""
        in_force = [arm for arm in self.arms if arm.effective_from <= day]
        if not in_force:
            raise NoFigures(
                f"{self.name} has no figures for {day:%d %B %Y}: it begins on {self.arms[0].effective_from:%d %B %Y}.",
                facts={"regime": self.regime, "day": day.isoformat()},
            )
        return in_force[-1]


@lru_cache(maxsize=1)
def records() -> Mapping[str, Record]:
    """Return every regime by its code, in the order of their codes; a file that contradicts itself stops the start."""
    found = (_read(path) for path in sorted(DATA.glob("*.toml")))
    return MappingProxyType({record.regime: record for record in found})


def record(regime: str) -> Record:
    """Return one regime. Raises :class:`NoFigures` for a code that no file has: unknown means no."""
    try:
        return records()[regime]
    except KeyError:
        raise NoFigures(f"There is no regime “{regime}”.", facts={"regime": regime}) from None


def arm_on(regime: str, day: dt.date) -> Arm:
    """Return a regime's arm in force on a day. Raises :class:`NoFigures`."""
    return record(regime).arm_on(day)


def _read(path: Path) -> Record:
    # A figure with a point in it would become a binary fraction; amounts are quoted text, rates are basis points.
    content = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=_refuse_fraction)
    regime, currency = content["regime"], content["currency"]
    if path.name != f"{regime}.toml":
        raise ValueError(f"{path.name} holds the regime {regime}")
    arms: list[Arm] = []
    for stated in content["arm"]:
        before = arms[-1] if arms else None
        own = {key: value for key, value in stated.items() if isinstance(value, dict)}
        groups = {key: dict(group) for key, group in before.groups.items()} if before else {}
        for key, group in own.items():
            groups.setdefault(key, {}).update(group)
        arm = Arm(
            regime=regime, effective_from=stated["effective_from"], source=stated["source"], currency=currency,
            policy=tuple(stated.get("policy", before.policy if before else ())),
            groups=MappingProxyType({key: MappingProxyType(group) for key, group in groups.items()}),
        )
        if before is not None and arm.effective_from <= before.effective_from:
            raise ValueError(f"{path.name}: the arms are not in the order of their dates")
        arms.append(arm)
    return Record(
        regime=regime, name=content["name"], words=content["words"], offerable=content["offerable"], arms=tuple(arms)
    )


def _refuse_fraction(text: str) -> object:
    raise ValueError(f"{text} has a point in it: write amounts as text and rates in basis points")
