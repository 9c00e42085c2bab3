"""The contract editor's form: what was typed, as a tree, and the document it means.

The document's own reader judges it; this module only knows which field each place of a document is typed in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.datastructures import MultiDict

from app.forms import KeyedForm
from app.offerings import parts_forms, rules
from milestones import document as documents
from milestones import money
from milestones.terms import (
    RELAXABLE,
    SCHEMA_1,
    SCHEMA_NAME,
    SCHEMAS,
    SEQUENTIAL,
    WIND_DOWN,
    Criterion,
    MilestoneTerms,
    Terms,
)

MOST_MILESTONES, MOST_CRITERIA = 20, 10
_PERCENT = money.Asset("PERCENT", 2)
_NAME = re.compile(r"milestones-([0-9]{1,2})-(?:criteria-([0-9]{1,2})-)?([a-z_]{1,40})")
_ACTION = re.compile(r"((?:add|remove)_(?:milestone|criterion))(?:-([0-9]{1,2}))?(?:-([0-9]{1,2}))?")
_WHOLE = ("grace_days", "review_business_days", "challenge_business_days", "resubmissions")
_USUAL = {"grace_days": "30", "review_business_days": "10", "challenge_business_days": "5", "resubmissions": "2"}

#: code → what a founder relaxes by ticking it (MIL-4)
RELAXED_WORDS: Mapping[str, Any] = {
    "tranche_over_40": _l("A milestone may release more than 40 % at once"),
    "last_under_15": _l("Less than 15 % may wait for the last milestone"),
    "half_in_60_days": _l("More than half may be released within 60 days of the deadline"),
    "parallel_tail": _l("Milestones run side by side, and the last quarter need not wait for all"),
    "no_evidence": _l("A criterion may name no evidence"),
    "no_measure": _l("A milestone may have no criterion that can be measured"),
    "quorum_too_small": _l("One auditor alone may decide"),
}


class EditorForm(KeyedForm):
    """The hidden fields of the editor; its contents are a :class:`ContractTree`."""

    operation = "change_contract"


class ContractTree:
    """What stands in the editor's fields, all of it text. ``errors`` maps field names to words."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.errors: dict[str, str] = {}
        #: The milestone that a button just changed, so that the page can show it unfolded.
        self.touched: int | None = None

    @classmethod
    def of_terms(cls, terms: Terms) -> ContractTree:
        """Show existing terms."""
        return cls(
            {
                "schema": terms.schema, "report_months": str(terms.report_months), "title": terms.title,
                "order": terms.order, "long_stop": terms.long_stop.isoformat(),
                "closing": percent(terms.closing_bp), "relaxed": list(terms.relaxed),
                "milestones": [
                    {**_of_milestone(each),
                     **parts_forms.of_milestone(each, terms.asset, percent, is_last=each is terms.milestones[-1])}
                    for each in terms.milestones
                ],
            }
        )

    @classmethod
    def of_form(cls, form: MultiDict[str, str]) -> ContractTree:
        """Take what was sent; milestones and criteria stand in the order of their numbers."""
        milestones: dict[int, dict[str, Any]] = {}
        criteria: dict[int, dict[int, dict[str, Any]]] = {}
        for name in form:
            match = _NAME.fullmatch(name)
            if match is None:
                continue
            number, inner, key = int(match[1]), match[2], match[3]
            if inner is None:
                milestones.setdefault(number, {})[key] = form[name]
            else:
                criteria.setdefault(number, {}).setdefault(int(inner), {})[key] = form[name]
        return cls(
            {
                "schema": form.get("schema") if form.get("schema") in SCHEMAS else SCHEMA_NAME,
                "report_months": form.get("report_months", ""),
                "title": form.get("title", ""), "order": form.get("order", SEQUENTIAL),
                "long_stop": form.get("long_stop", ""), "closing": form.get("closing", "0"),
                "relaxed": [code for code in form.getlist("relaxed") if code in RELAXABLE],
                "milestones": [
                    {**_new_milestone(), **milestones[number],
                     "criteria": [{**_new_criterion(), "must": "", **each}
                                  for _order, each in sorted(criteria.get(number, {}).items())]}
                    for number in sorted(milestones)
                ][:MOST_MILESTONES],
            }
        )

    def act(self, action: str) -> bool:
        """Add or remove a milestone or criterion; return False when the button means something else."""
        match = _ACTION.fullmatch(action)
        if match is None:
            return False
        milestones = self.values["milestones"]
        first, second = (int(part) if part else None for part in match.groups()[1:])
        self.touched = first if match[1].endswith("criterion") else len(milestones)
        if match[1] == "add_milestone" and len(milestones) < MOST_MILESTONES:
            milestones.append(_new_milestone())
        elif match[1] == "remove_milestone" and first is not None and first < len(milestones) > 1:
            del milestones[first]
        elif first is not None and first < len(milestones):
            criteria = milestones[first]["criteria"]
            if match[1] == "add_criterion" and len(criteria) < MOST_CRITERIA:
                criteria.append(_new_criterion())
            elif match[1] == "remove_criterion" and second is not None and second < len(criteria) > 1:
                del criteria[second]
        return True

    @property
    def sum_bp(self) -> int:
        """The sum of all shares that can be read, the closing tranche's too."""
        texts = [self.values["closing"], *(each["tranche"] for each in self.values["milestones"])]
        return sum(_bp(text) or 0 for text in texts)

    def document(self, *, currency: str, zone: str, calendar: str) -> dict[str, Any] | None:
        """Return the document that was typed, or None with ``errors`` filled."""
        values, self.errors = self.values, {}
        document = {
            "schema": values["schema"], "title": values["title"], "currency": currency, "zone": zone,
            "calendar": calendar,
            "order": values["order"], "long_stop": values["long_stop"].strip(), "relaxed": values["relaxed"],
            "closing_bp": self._share("closing", values["closing"] or "0"),
            "milestones": [
                self._milestone(number, each, money.Asset.parse(currency))
                for number, each in enumerate(values["milestones"])
            ],
        }
        if values["schema"] != SCHEMA_1 and values["report_months"].strip():
            document["report_months"] = self._whole("report_months", values["report_months"])
        if not self.errors:
            try:
                documents.parse_document(document)
            except documents.ContractError as error:
                for problem in error.problems:
                    self.errors.setdefault(field_of(problem.path), problem.message)
        return None if self.errors else document

    def _milestone(self, number: int, each: dict[str, Any], asset: money.Asset) -> dict[str, Any]:
        name = f"milestones-{number}"
        taken = {other["key"] for place, other in enumerate(self.values["milestones"]) if place != number}
        each["key"] = each["key"] or _free_key(each["title"] or f"milestone-{number + 1}", taken | {"closing"})
        document = {
            "key": each["key"], "title": each["title"], "deliverable": each["deliverable"],
            "tranche_bp": self._share(f"{name}-tranche", each["tranche"]),
            "target_date": each["target_date"].strip(), "long_stop": each["long_stop"].strip(),
            "quorum": {"approvals": self._whole(f"{name}-approvals", each["approvals"]),
                       "auditors": self._whole(f"{name}-auditors", each["auditors"])},
            "on_failure": each["on_failure"],
            "criteria": [self._criterion(name, place, one, each["criteria"])
                         for place, one in enumerate(each["criteria"])],
        }
        for key in _WHOLE:
            document[key] = self._whole(f"{name}-{key}", each[key])
        if self.values["schema"] != SCHEMA_1:
            document |= parts_forms.document_of(
                each, name, asset, self.errors, whole=self._whole, share=self._share, kind=_kind
            )
        return document

    def _criterion(self, name: str, place: int, one: dict[str, Any], siblings: list[dict[str, Any]]) -> dict[str, Any]:
        name = f"{name}-criteria-{place}"
        taken = {other["key"] for other in siblings if other is not one}
        one["key"] = one["key"] or _free_key(one["text"] or f"criterion-{place + 1}", taken)
        kinds = [_kind(kind) for kind in one["evidence"].split(",")]
        document: dict[str, Any] = {
            "key": one["key"], "text": one["text"], "procedure": one["procedure"],
            "evidence": list(dict.fromkeys(kind for kind in kinds if kind)), "must": bool(one["must"]),
        }
        if one["weight"].strip():
            document["weight_bp"] = self._share(f"{name}-weight", one["weight"])
        if one["quantity"].strip() or one["value"].strip() or one["unit"].strip():
            bound = one["bound"] if one["bound"] in ("at_least", "at_most") else "at_least"
            document["measure"] = {"quantity": one["quantity"], bound: one["value"].strip().replace(",", ""),
                                   "unit": one["unit"]}
        return document

    def _share(self, name: str, text: str) -> int:
        found = _bp(text)
        if found is None:
            self.errors[name] = _("Enter a share in percent with at most two decimals, such as 33.33.")
        return found or 0

    def _whole(self, name: str, text: str) -> int:
        text = text.strip()
        if text.isascii() and text.isdigit() and len(text) <= 4:
            return int(text)
        self.errors[name] = _("Enter a whole number with the digits 0 to 9.")
        return 0


def percent(bp: int) -> str:
    """Return basis points as they are typed: ``33.33``, ``40``."""
    text = money.format_amount(bp, _PERCENT)
    return text.rstrip("0").rstrip(".")


def field_of(path: str) -> str:
    """Return the name of the field in which a place of the document (a JSON pointer) is typed."""
    name = path.strip("/").replace("/", "-")
    name = re.sub(r"-measure-(at_least|at_most)$|-measure$", "-value", name)
    name = name.replace("-measure-", "-").replace("-quorum-", "-").replace("-weight_bp", "-weight")
    name = re.sub(r"-(evidence|auditors)-[0-9]+$", r"-\1", name)
    name = {"closing_bp": "closing", "milestones": "milestones-0-tranche"}.get(name, name)
    name = re.sub(r"-criteria$", "-criteria-0-quantity", name)
    name = re.sub(r"-quorum$", "-approvals", name)
    return parts_forms.field_of(name.replace("-tranche_bp", "-tranche"))


def starter_document(
    *, title: str, currency: str, zone: str, calendar: str, target_date: str, long_stop: str
) -> dict[str, Any]:
    """Return the contract that a new draft begins with: one milestone that cannot pass the check as it is."""
    return {
        "schema": SCHEMA_NAME, "title": title, "currency": currency, "zone": zone, "calendar": calendar,
        "long_stop": long_stop,
        "milestones": [
            {
                "key": "first", "title": _("First milestone"), "deliverable": _("Describe what will exist by then."),
                "tranche_bp": 10_000, "target_date": target_date, "long_stop": long_stop,
                "criteria": [{"key": "first", "text": _("Say what must be true."),
                              "procedure": _("Say how an auditor checks it.")}],
            }
        ],
    }


def _of_milestone(each: MilestoneTerms) -> dict[str, Any]:
    count = len(each.criteria)
    whole, over = divmod(10_000, count)
    usual = [whole + (place < over) for place in range(count)]
    is_usual = [criterion.weight_bp for criterion in each.criteria] == usual
    return {
        "key": each.key, "title": each.title, "deliverable": each.deliverable, "tranche": percent(each.tranche_bp),
        "target_date": each.target_date.isoformat(), "long_stop": each.long_stop.isoformat(),
        "approvals": str(each.quorum.approvals), "auditors": str(each.quorum.auditors), "on_failure": each.on_failure,
        **{key: str(getattr(each, key)) for key in _WHOLE},
        "criteria": [_of_criterion(criterion, show_weight=not is_usual) for criterion in each.criteria],
    }


def _of_criterion(each: Criterion, *, show_weight: bool) -> dict[str, Any]:
    measure = each.measure
    return {
        "key": each.key, "text": each.text, "procedure": each.procedure,
        "evidence": ", ".join(each.evidence).replace("_", " "), "quantity": measure.quantity if measure else "",
        "bound": measure.bound if measure else "at_least", "value": measure.value if measure else "",
        "unit": measure.unit if measure else "", "weight": percent(each.weight_bp) if show_weight else "",
        "must": "1" if each.must else "",
    }


def _new_milestone() -> dict[str, Any]:
    return {
        "key": "", "title": "", "deliverable": "", "tranche": "", "target_date": "", "long_stop": "",
        "approvals": "2", "auditors": "3", "on_failure": WIND_DOWN, **_USUAL, **parts_forms.NEW,
        "criteria": [_new_criterion()],
    }


def _new_criterion() -> dict[str, Any]:
    return {"key": "", "text": "", "procedure": "", "evidence": "", "quantity": "", "bound": "at_least", "value": "",
            "unit": "", "weight": "", "must": "1"}


def _kind(text: str) -> str:
    """Return a kind of evidence as the document has it: ``Bank statement`` is ``bank_statement``."""
    return re.sub(r"[^a-z0-9_-]+", "_", text.strip().casefold()).strip("_-")


def _bp(text: str) -> int | None:
    try:
        found = money.parse_amount(text.strip().removesuffix("%"), _PERCENT)
    except money.MoneyError:
        return None
    return found if found <= 10_000 else None


def _free_key(text: str, taken: set[str]) -> str:
    key = rules.slug_from(text)[:40].strip("-")
    number = 2
    free = key
    while free in taken:
        free, number = f"{key}-{number}", number + 1
    return free
