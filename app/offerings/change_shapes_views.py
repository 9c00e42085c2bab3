"""Say what a change alters, field by field, in words: old and new side by side (OFF-8).

Pure: values in, words out. Which changes there are is ``milestones.offer``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app import formats
from app.offerings import rules
from milestones import money, offer

_NAMES: Mapping[str, Any] = {
    "price_micro": _l("Price of a token"), "minimum_minor": _l("Minimum"), "target_minor": _l("Target"),
    "maximum_minor": _l("Maximum"), "minimum_ticket_minor": _l("Smallest commitment"), "fee_bp": _l("Milestake’s fee"),
    "deadline_at": _l("Deadline"), "rights": _l("Rights of a token"), "name": _l("Name"),
    "pitch": _l("In one sentence"), "sector": _l("Sector"), "story": _l("Story"), "risks": _l("Risks"),
    "use_of_proceeds": _l("Use of the proceeds"), "officers": _l("Officers"), "litigation": _l("Litigation"),
    "insolvency": _l("Insolvency"),
    "financial_statements": _l("Financial statements"), "updates": _l("Update"), "title": _l("Title"),
    "order": _l("Order of the milestones"), "long_stop": _l("Last date"), "closing_bp": _l("Released at the closing"),
    "relaxed": _l("Relaxed rules"), "milestones": _l("Milestones"), "deliverable": _l("Deliverable"),
    "tranche_bp": _l("Share of the money"), "target_date": _l("Due"), "grace_days": _l("Days of grace"),
    "auditors": _l("Auditors"), "approvals": _l("Approvals needed"), "quorum": _l("Quorum"),
    "review_business_days": _l("Business days to review"), "challenge_business_days": _l("Business days for doubts"),
    "resubmissions": _l("New tries"), "on_failure": _l("If it is missed"), "criteria": _l("Criteria"),
    "text": _l("Criterion"), "procedure": _l("How it is judged"), "evidence": _l("Evidence"),
    "weight_bp": _l("Weight"), "must": _l("Must be met"), "measure": _l("Measure"),
}


#: What people look for first.
_GROUPS = ("figures", "class", "contract", "disclosures", "updates", "texts")


@dataclass(frozen=True, slots=True)
class Line:
    """One difference in words. ``is_long`` asks for a block instead of a cell."""

    where: str
    before: str
    after: str
    is_material: bool
    is_long: bool


def lines_of(judged: Sequence[offer.Judged], document: Mapping[str, Any], zone: str) -> list[Line]:
    """Return the differences in words; ``document`` is a version that has the milestones' titles."""
    titles = {each["key"]: each["title"] for each in document["contract"]["milestones"]}
    asset = money.Asset.parse(document["figures"]["currency"])
    found = []
    for each in sorted(judged, key=lambda one: (not one.is_material, _GROUPS.index(one.change.path.split("/")[1]))):
        name = each.change.path.rsplit("/", 1)[-1]
        before, after = (_value(name, value, asset, zone) for value in (each.change.before, each.change.after))
        is_long = max(len(before), len(after)) > 120
        found.append(Line(_where(each.change.path, titles), before, after, each.is_material, is_long))
    return found


def _where(path: str, titles: Mapping[str, str]) -> str:
    parts = path.strip("/").split("/")
    if parts[0] == "contract" and len(parts) > 2 and parts[1] == "milestones":
        milestone = _("Milestone “%(title)s”", title=titles.get(parts[2], parts[2]))
        return f"{milestone}: {_name(parts[-1])}" if len(parts) > 3 else milestone
    if parts[0] == "contract":
        return _("Contract: %(what)s", what=_name(parts[-1]))
    if parts[0] == "disclosures" and len(parts) > 2:
        return _("Use of the proceeds: %(what)s", what=parts[2].replace("-", " "))
    return _name("updates" if parts[0] == "updates" else parts[-1])


def _name(part: str) -> str:
    return str(_NAMES[part]) if part in _NAMES else part.replace("_", " ").capitalize()


def _value(name: str, value: Any, asset: money.Asset, zone: str) -> str:
    """Return a value as a person reads it; nothing there is said in words."""
    if value is None or value in ("", []):
        return _("nothing")
    if name.endswith("_minor"):
        return formats.money_text(int(value), asset)
    if name == "price_micro":
        sign = formats.money_text(0, money.Asset(asset.code, 0))
        return sign.replace("0", formats.price_text(int(value)), 1)
    if name.endswith("_bp"):
        return rules.percent_text(int(value))
    if name == "deadline_at":
        return formats.instant_text(dt.datetime.fromisoformat(value), zone)
    if name in ("long_stop", "target_date"):
        return formats.day_text(dt.date.fromisoformat(value))
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list):
        return "; ".join(_mapping(each) if isinstance(each, Mapping) else str(each) for each in value)
    return str(value).replace("_", " ") if name == "on_failure" else str(value)


def _mapping(value: Mapping[str, Any]) -> str:
    if "share_bp" in value:
        return f"{rules.percent_text(int(value['share_bp']))} {value.get('text', value['key'])}"
    if "tranche_bp" in value:
        share = rules.percent_text(int(value["tranche_bp"]))
        return _("%(title)s: %(share)s of the money, due %(day)s", title=value["title"], share=share,
                 day=formats.day_text(dt.date.fromisoformat(value["target_date"])))
    if "title" in value and "text" in value:
        return f"{value['title']}: {value['text']}"
    return str(value.get("text") or ", ".join(f"{name} {part}" for name, part in value.items()))


def uses_text(uses: Sequence[Mapping[str, Any]]) -> str:
    """Return the uses of the proceeds as they are typed: a line each, percent first."""
    return "\n".join(f"{rules.percent_text(int(each['share_bp'])).replace(' %', '')} {each['text']}" for each in uses)
