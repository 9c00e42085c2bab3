"""docs/contracts.md says what is so: its fields, codes, hashes and figures are those of the engine."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.contracts import importing, templates
from milestones import document as documents
from milestones import lint as linting
from milestones.apportion import apportion, tranche_amounts
from milestones.template import TEMPLATE_NAME
from milestones.terms import RELAXABLE, MilestoneTerms
from milestones.verdict import Finding, verdict

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\S+)(?: ([^\n]*))?\n(.*?)^```$", re.S | re.M)

FILES = {words: text for kind, words, text in BLOCK.findall(PAGE) if kind == "yaml"}
SESSIONS = [text for kind, _words, text in BLOCK.findall(PAGE) if kind == "console"]


def section(title: str) -> str:
    """Return the part of the page under a heading, up to the next of the same depth or above."""
    depth = len(title) - len(title.lstrip("#"))
    after = PAGE.split(f"\n{title}\n", 1)[1]
    return re.split(rf"\n#{{1,{depth}}} ", after, maxsplit=1)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of a table's rows, its header left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def commands(session: str) -> Iterator[tuple[list[str], str]]:
    """Give each command of a console block with what it printed."""
    for part in re.split(r"^\$ flask ", session, flags=re.M)[1:]:
        line, _, printed = part.partition("\n")
        yield shlex.split(line), printed


# -- fields ------------------------------------------------------------------------------------------


SCHEMA = documents.schema()
OBJECTS = {
    "### The contract": SCHEMA, "### A milestone": SCHEMA["$defs"]["milestone"],
    "### A quorum": SCHEMA["$defs"]["milestone"]["properties"]["quorum"],
    "### Retainage": SCHEMA["$defs"]["retainage"],
    "### A criterion": SCHEMA["$defs"]["criterion"], "### A measure": SCHEMA["$defs"]["measure"],
}
#: Defaults that the schema cannot write as a value, as the page says them.
SAID = {"auditors": "none", "relaxed": "none", "evidence": "none", "quorum": "2 of 3", "measure": "absent",
        "retainage": "absent",
        "weight_bp": "equal parts", "at_least": "one of the two", "at_most": "one of the two", "must": "`true`"}


@pytest.mark.parametrize("heading", OBJECTS)
def test_every_field_is_there_with_its_default(heading: str) -> None:
    node = OBJECTS[heading]
    said = {name.strip("`"): default for name, _form, default, _meaning in rows(section(heading))}
    assert list(said) == list(node["properties"])
    for name, default in said.items():
        if name in node["required"]:
            assert default == "required", name
        elif name in SAID:
            assert default == SAID[name], name
        else:
            assert default.strip("`") == str(node["properties"][name]["default"]), name


@pytest.mark.parametrize("heading", OBJECTS)
def test_every_bound_is_the_schemas(heading: str) -> None:
    """A range in the column "form" is the one that a file is checked against."""
    for name, form, _default, _meaning in rows(section(heading)):
        field = OBJECTS[heading]["properties"][name.strip("`")]
        bounds = [field.get("minimum", field.get("minItems")), field.get("maximum", field.get("maxItems"))]
        said = [int(number.replace(",", "")) for number in re.findall(r"[0-9][0-9,]*", form.split("`")[-1])]
        if "integer" in (field.get("type"), field.get("items", {}).get("type")) or (len(said) == 2 and bounds[1]):
            assert said == bounds, name
        if "enum" in field:
            assert quoted(form) == set(field["enum"]), name


def test_what_the_page_says_of_defaults_is_what_is_written_in() -> None:
    terms = documents.to_document(importing.read_contract(FILES["shed.yaml"].encode()).terms)
    milestone, criterion = terms["milestones"][0], terms["milestones"][0]["criteria"][0]
    assert (milestone["quorum"], milestone["auditors"], terms["relaxed"]) == ({"approvals": 2, "auditors": 3}, [], [])
    assert (criterion["weight_bp"], criterion["must"], "measure" in criterion) == (10_000, True, False)


# -- codes -------------------------------------------------------------------------------------------


def _constant(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def refused_by(*paths: str) -> set[str]:
    """Return the codes with which these modules refuse: what a call names as its code, read off the source."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = {"refuse": 1, "_refuse": 2, "FileProblem": 2}.get(name)
            if place is not None and len(node.args) > place and (code := _constant(node.args[place])):
                found.add(code)
    return found


def test_every_code_of_a_file_that_cannot_be_read_is_there() -> None:
    said = set().union(*(quoted(codes) for codes, _words in rows(section("## What a file may contain"))))
    assert said == refused_by("milestones/document.py", "milestones/reader.py", "app/contracts/importing.py")


def test_mil_4_every_code_of_the_check_is_there_and_how_grave_it_is() -> None:
    tree = ast.parse((ROOT / "milestones" / "lint.py").read_text(encoding="utf-8"))
    yielded = {
        _constant(node.value.elts[1]) for node in ast.walk(tree)
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple)
    }
    said = {code.strip("`"): kind for code, _rule, _when, kind in rows(section("## The check before publishing"))}
    assert set(said) == yielded
    assert {code for code, kind in said.items() if kind == "relaxable"} == set(RELAXABLE)


@pytest.mark.parametrize(
    ("code", "figure"),
    [("closing_over_30", linting.MOST_CLOSING_BP), ("tranche_over_40", linting.MOST_TRANCHE_BP),
     ("last_under_15", linting.LEAST_LAST_BP), ("half_in_60_days", linting.MOST_EARLY_BP),
     ("half_in_60_days", linting.EARLY_DAYS), ("quorum_too_small", linting.TWO_AUDITORS_ABOVE_MAJOR),
     ("grain", linting.LEAST_TOKENS_A_PART)],
)
def test_mil_4_figures_of_the_check_are_the_lints(code: str, figure: int) -> None:
    when = {row[0].strip("`"): row[2] for row in rows(section("## The check before publishing"))}
    assert f"{figure:,}" in when[code]


# -- canonical form and hash -------------------------------------------------------------------------


def test_mil_3_the_canonical_form_and_its_hash_are_the_engines() -> None:
    [(_kind, words, text)] = [each for each in BLOCK.findall(PAGE) if each[0] == "json"]
    name = words.removeprefix("canonical ")
    terms = importing.read_contract(FILES[name].encode()).terms
    printed = text.removesuffix("\n")
    assert documents.canonical_bytes(terms).decode() == printed
    digest = hashlib.sha256(printed.encode()).hexdigest()
    assert digest == documents.contract_hash(terms)
    assert digest in section("## Canonical form and hash").rpartition("```json")[2]
    assert documents.contract_hash(documents.parse_document(json.loads(printed))) == digest


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("session", SESSIONS, ids=lambda text: text.partition("\n")[0].removeprefix("$ flask "))
def test_every_command_prints_what_the_page_says(
    site: Flask, session: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text, encoding="utf-8")
    for arguments, printed in commands(session):
        result = site.test_cli_runner().invoke(args=arguments)
        assert (result.exit_code, result.output) == (0, printed), arguments


# -- figures -----------------------------------------------------------------------------------------


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def test_mil_1_tranches_are_the_engines() -> None:
    tables = section("## From shares to money").split("\n\n")
    [table] = [rows(each) for each in tables if each.startswith("| proceeds")]
    assert len(table) == 3
    for proceeds, shares, tranches in table:
        assert list(tranche_amounts(int(proceeds), numbers(shares))) == numbers(tranches)


def test_rel_2_parts_are_the_engines_and_leave_what_the_next_row_begins_with() -> None:
    tables = section("## From shares to money").split("\n\n")
    [table] = [rows(each) for each in tables if each.startswith("| released")]
    held = [100_001, 50_000, 33_333]
    amounts = tranche_amounts(sum(held), [3333, 3334, 3333])
    assert [int(row[0]) for row in table] == list(amounts)
    for released, before, parts in table:
        assert numbers(before) == held
        assert apportion(int(released), held) == numbers(parts)
        held = [had - part for had, part in zip(held, numbers(parts), strict=True)]
    assert held == [0, 0, 0]


def finding(words: str) -> Finding:
    result, _, share = words.partition(" ")
    kinds: dict[str, Any] = {"met": ("met", 100), "not": ("not_met", 0), "cannot": ("cannot_tell", 0)}
    kind, pct = kinds.get(result) or ("partly", int(share))
    return Finding("drying", kind, pct)


def test_mil_7_verdicts_are_the_engines() -> None:
    tables = section("## From evidence to a release").split("\n\n")
    [table] = [rows(each) for each in tables if each.startswith("| quorum")]
    assert len(table) == 7
    kiln = documents.to_document(importing.read_contract(FILES["kiln.yaml"].encode()).terms)
    for quorum, findings, result, decided in table:
        kiln["milestones"][0]["criteria"] = [{**kiln["milestones"][0]["criteria"][0], "weight_bp": 10_000}]
        approvals, auditors = numbers(quorum)
        kiln["milestones"][0]["quorum"] = {"approvals": approvals, "auditors": auditors}
        milestone: MilestoneTerms = documents.parse_document(kiln).milestone(1)
        given = [words for words in findings.split(", ") if words != "(silent)"]
        signed = {f"auditor {number}": [finding(words)] for number, words in enumerate(given)}
        found = verdict(milestone, signed, at_time_limit=True)
        said = (None if found is None else found.criteria[0].share_pct, found and found.met)
        expected = {"met": True, "not met": False, "none": None}[decided]
        assert said == (None if result == "–" else int(result), expected), findings


# -- templates ---------------------------------------------------------------------------------------


def test_the_templates_are_those_of_the_library() -> None:
    assert rows("| name |" + section("## Templates").rpartition("| name |")[2]) == [
        [f"`{each.name}`", each.title, str(len(each.terms.milestones)), str(each.months),
         " + ".join(linting.percent(tranche.bp) for tranche in each.tranches)]
        for each in templates.library()
    ]
    assert TEMPLATE_NAME in section("## Templates")
