"""``flask regime``: the worked cases by rule, exit status 1 only for a failure, and the figures of a day."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask

CASE = {"id": "A", "regime": "us.reg_cf", "rule": "form_c_ar", "inputs": {"fiscal_year_end": "2027-12-31"},
        "expected": {"nominal_due": "2028-04-29"}}
CUT = {"id": "B", "regime": "escrow", "rule": "oversubscription_allocation",
       "inputs": {"method": "first_come_first_served", "available": "1.00", "commitments_in_time_order": ["2.00"]},
       "expected": {"allocated": ["1.00"], "refunded": ["1.00"]}}
LATER = {"id": "C", "regime": "aml", "rule": "sar_due", "inputs": {}, "expected": {"due": "2026-03-31"}}
WRONG = CASE | {"id": "D", "expected": {"nominal_due": "2028-05-01"}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cases.json"


def test_the_table_counts_by_rule_and_only_a_failure_is_one(app: Flask, file: Path) -> None:
    run = app.test_cli_runner()
    file.write_text(json.dumps([CASE, CUT, LATER]), encoding="utf-8")
    told = run.invoke(args=["regime", "cases", str(file)])
    assert told.exit_code == 0, told.output
    assert "us.reg_cf/form_c_ar" in told.output
    assert "all: 1 passed, 1 deviating by decision, 1 not yet, 0 failed" in told.output
    assert "deviating by decision: B escrow/oversubscription_allocation" in told.output
    file.write_text(json.dumps([CASE, WRONG]), encoding="utf-8")
    told = run.invoke(args=["regime", "cases", str(file), "--json"])
    assert told.exit_code == 1
    found = json.loads(told.output)
    assert (found["ok"], found["totals"]) == (False, {"passed": 1, "deviating": 0, "not_yet": 0, "failed": 1})
    assert found["differing"][0]["answer"] == {"nominal_due": "2028-04-29"}


def test_a_file_that_is_no_list_is_told(app: Flask, file: Path) -> None:
    file.write_text("{}", encoding="utf-8")
    told = app.test_cli_runner().invoke(args=["regime", "cases", str(file)])
    assert told.exit_code == 1
    assert "not a list of cases" in told.output


def test_the_figures_of_a_day(app: Flask) -> None:
    run = app.test_cli_runner()
    told = run.invoke(args=["regime", "show", "us.reg_cf", "--on", "2021-03-14", "--json"])
    found = json.loads(told.output)
    assert (found["arm"], found["figures"]["issuer"]["cap"]) == ("us.reg_cf@2017-04-12", "1070000.00")
    told = run.invoke(args=["regime", "show", "us.reg_cf", "--on", "2016-05-15"])
    assert told.exit_code == 1
    assert "begins on 16 May 2016" in told.output
    told = run.invoke(args=["regime", "show", "private", "--on", "2026-08-01"])
    assert "raising.cancel_hours = 48  (our policy)" in told.output
