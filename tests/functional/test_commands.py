"""The commands: what they print, and their exit status, on which scripts rely."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from click.testing import Result
from flask import Flask
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.contracts.models import Contract
from app.db import Database
from app.ledger.models import LedgerAccount
from app.offerings import service as offerings
from milestones import document as documents
from tests.factories import life as lives


def run(site: Flask, *arguments: str) -> Result:
    return site.test_cli_runner().invoke(args=list(arguments))


def document(**changes: object) -> dict[str, object]:
    import datetime as dt

    return {**lives.contract_document(dt.date(2027, 1, 1)), **changes}


@pytest.fixture
def contract_file(tmp_path: Path) -> Path:
    path = tmp_path / "contract.yaml"
    path.write_text(yaml.safe_dump(document(), sort_keys=False))
    return path


# -- ledger -----------------------------------------------------------------------------------------


def test_ledger_check_says_that_the_books_are_whole(site: Flask, db: Database) -> None:
    lives.active(db, amounts=(100_000, 150_000))
    result = run(site, "ledger", "check")
    assert (result.exit_code, result.output) == (0, "The books are whole: nothing contradicts.\n")
    assert json.loads(run(site, "ledger", "check", "--json").output) == {"ok": True, "problems": []}


@pytest.mark.tampers
def test_ledger_check_names_what_contradicts_and_fails(site: Flask, db: Database) -> None:
    life = lives.active(db, amounts=(100_000, 150_000))

    def tamper(session: Session) -> None:
        session.execute(
            sa.update(LedgerAccount)
            .where(LedgerAccount.address == f"escrow:{life.offering_id}")
            .values(balance=LedgerAccount.balance + 1)
        )

    db.unit_of_work(tamper)
    result = run(site, "ledger", "check")
    assert result.exit_code == 1
    assert f"counter_wrong at escrow:{life.offering_id}" in result.output
    found = json.loads(run(site, "ledger", "check", "--json").output)
    assert found["ok"] is False
    assert found["problems"][0]["figures"] == {"asset": "USD/2", "counter": 212_501, "entries": 212_500}


@pytest.mark.parametrize("form", ["hledger", "beancount"])
def test_ledger_export_prints_or_writes_a_file(site: Flask, db: Database, tmp_path: Path, form: str) -> None:
    life = lives.live(db)
    printed = run(site, "ledger", "export", "--format", form)
    assert printed.exit_code == 0
    out = tmp_path / "books"
    assert run(site, "ledger", "export", "--format", form, "--out", str(out)).exit_code == 0
    assert out.read_text() == printed.stdout
    assert "offering_published" in printed.stdout
    assert life.offering_id.partition("_")[2] in printed.stdout


def test_ledger_export_wants_a_format(site: Flask) -> None:
    assert run(site, "ledger", "export").exit_code == 2
    assert run(site, "ledger", "export", "--format", "ledger").exit_code == 2


# -- contract ---------------------------------------------------------------------------------------


def test_contract_lint_passes_what_can_be_published(site: Flask, contract_file: Path) -> None:
    result = run(site, "contract", "lint", str(contract_file))
    assert result.exit_code == 0, result.output
    found = json.loads(run(site, "contract", "lint", str(contract_file), "--json").output)
    assert found["ok"] is True
    assert {each["severity"] for each in found["problems"]} <= {"relaxed"}


def test_mil_1_contract_lint_names_the_line_of_tranches_that_do_not_sum(site: Flask, contract_file: Path) -> None:
    contract_file.write_text(yaml.safe_dump(document(closing_bp=1499), sort_keys=False))
    result = run(site, "contract", "lint", str(contract_file))
    assert result.exit_code == 1
    assert "9,999 basis points" in result.output
    [problem] = json.loads(run(site, "contract", "lint", str(contract_file), "--json").output)["problems"]
    assert (problem["path"], problem["code"]) == ("/milestones", "tranches_not_whole")
    line = contract_file.read_text().splitlines()[problem["line"] - 1]
    assert line.startswith(("milestones:", "- key: m1"))


def test_mil_4_contract_lint_refuses_what_is_not_relaxed(site: Flask, contract_file: Path) -> None:
    contract_file.write_text(yaml.safe_dump(document(closing_bp=500, relaxed=[], milestones=[
        {**milestone, "tranche_bp": bp}
        for milestone, bp in zip(document()["milestones"], (6000, 2000, 1500), strict=True)  # type: ignore[arg-type]
    ]), sort_keys=False))
    result = run(site, "contract", "lint", str(contract_file))
    assert result.exit_code == 1
    assert "relaxable" in result.output
    assert "tranche_over_40" in result.output


@pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "title: [", "{\"title\": 1.5}"])
def test_contract_lint_answers_a_file_that_is_no_contract(site: Flask, tmp_path: Path, text: str) -> None:
    path = tmp_path / "no.yaml"
    path.write_text(text)
    result = run(site, "contract", "lint", str(path))
    assert result.exit_code == 1
    assert result.output.startswith(f"{path}: ")


def test_mil_3_contract_hash_is_the_same_for_yaml_and_json(site: Flask, contract_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "contract.json"
    other.write_text(json.dumps(document(), indent=4))
    digest = documents.contract_hash(documents.parse_document(document()))
    assert run(site, "contract", "hash", str(contract_file)).output == f"{digest}\n"
    assert json.loads(run(site, "contract", "hash", str(other), "--json").output) == {"ok": True, "hash": digest}


def test_mil_5_contract_simulate_plays_it_to_its_end(site: Flask, contract_file: Path) -> None:
    found = json.loads(
        run(site, "contract", "simulate", str(contract_file), "--raises", "1833.34", "--price", "0.01", "--json").output
    )
    assert found["ends"] == "completed"
    assert found["totals"] == {
        "released_minor": "183334", "fee_minor": "9166", "returned_minor": "0", "tokens": "183334"
    }
    failed = run(site, "contract", "simulate", str(contract_file), "--raises", "1833.34", "--failed", "2")
    assert failed.exit_code == 0
    assert failed.output.splitlines()[-1].startswith("wound_down: $825.00 released, $41.25 fees, $1,008.34 back")


@pytest.mark.parametrize("arguments", [
    ("--raises", "1e9"), ("--raises", "-5"), ("--price", "0"), ("--failed", "9"), ("--late", "2"),
    ("--amended", "other.yaml"), ("--amended", "nowhere.yaml@2027-09-01"),
])
def test_contract_simulate_refuses_what_it_cannot_play(
    site: Flask, contract_file: Path, arguments: tuple[str, ...]
) -> None:
    assert run(site, "contract", "simulate", str(contract_file), *arguments).exit_code in (1, 2)


def test_contract_import_prints_the_resolved_terms(site: Flask, contract_file: Path) -> None:
    result = run(site, "contract", "import", str(contract_file))
    assert result.exit_code == 0
    assert yaml.safe_load(result.output)["milestones"][0]["grace_days"] == 30


def test_contract_import_puts_it_into_a_draft_of_ones_own(site: Flask, db: Database, contract_file: Path) -> None:
    life = lives.drafted(db)
    with db.read() as session:
        mails = {
            name: people.user_by_id(session, actor.user_id or 0).email  # type: ignore[union-attr]
            for name, actor in (("founder", life.founder), ("stranger", life.investors[0]))
        }
    contract_file.write_text(yaml.safe_dump(document(title="Another plan"), sort_keys=False))
    command = ("contract", "import", str(contract_file), "--offering", life.offering_id)
    assert run(site, *command).exit_code == 2
    assert run(site, *command, "--as", "nobody@example.org").exit_code == 1
    refused = run(site, *command, "--as", mails["stranger"], "--json")
    assert (refused.exit_code, json.loads(refused.output)["error"]["code"]) == (1, "offering_not_found")
    assert run(site, *command, "--as", mails["founder"]).exit_code == 0
    with db.read() as session:
        offering = offerings.offering_by_id(session, life.offering_id)
        assert json.loads(session.get_one(Contract, offering.contract_id).draft_document)["title"] == "Another plan"


# -- people and processes ---------------------------------------------------------------------------


def test_ppl_2_user_grant_gives_a_role_but_not_one_that_must_stay_apart(site: Flask, db: Database) -> None:
    life = lives.drafted(db)
    with db.read() as session:
        mail = people.user_by_id(session, life.investors[0].user_id or 0).email  # type: ignore[union-attr]
    assert run(site, "user", "grant", mail, "founder").exit_code == 0
    with db.read() as session:
        assert people.actor_for(session, life.investors[0].user_id or 0).roles == {"investor", "founder"}
    refused = run(site, "user", "grant", mail, "operator")
    assert refused.exit_code == 1
    assert "Use another account" in refused.output
    assert run(site, "user", "grant", "nobody@example.org", "investor").exit_code == 1
    assert run(site, "user", "grant", mail, "king").exit_code == 2


def test_worker_once_does_what_is_due_and_stops(site: Flask, db: Database) -> None:
    life = lives.live(db)
    life.stage.invest(life.investors[0], life.offering_id, 250_000)
    lives.let_time_pass(life.stage, life.stage.offering(life.offering_id).deadline_at)
    result = run(site, "worker", "--once")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].endswith("nothing more is due.")
    assert life.stage.offering(life.offering_id).state == "active"
    assert run(site, "worker", "--once").stdout.splitlines()[-1] == "0 thing(s) done; nothing more is due."


def test_db_upgrade_twice_changes_nothing(site: Flask) -> None:
    for _again in range(2):
        result = run(site, "db", "upgrade")
        assert result.exit_code == 0, result.output
