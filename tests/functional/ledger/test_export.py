"""The export is read and checked by two programs that nobody here wrote; one moved cent makes both refuse."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app.db import Database
from app.ledger import export
from tests.factories import life as lives
from tests.factories.books import full_books
from tests.functional.payments import court

Program = Callable[..., str]
#: Where money stands that a rail took back; each has a line in the books that the programs read.
NEW_ACCOUNTS = ("disputed", "dispute", "issuer", "loss")


def bitcoin(db: Database) -> None:
    """Release a first tranche of an offering in satoshis, beside whatever there is."""
    lives.active(
        db,
        amounts=(60_000_000, 75_050_000),
        fields={
            "currency": "BTC/8", "price_micro": 500, "minimum_minor": 100_000_000, "target_minor": 200_000_000,
            "maximum_minor": 400_000_000, "minimum_ticket_minor": 50_000_000,
        },
        contract={"currency": "BTC/8"},
    )


def taken_back(db: Database) -> None:
    """Let rails take payments back in every way: open, won, lost as set-off, claim and loss, and a return."""
    till = court.running(db, 250_000, 150_000, 120_000, payee_ref="sbx_acct_fails", fields={"minimum_minor": 150_000})
    till.fund(500_000)
    till.decide(till.dispute(1), "won")
    till.decide(till.dispute(0), "lost")
    till.tell_returned(till.life.commitments[1])
    till.dispute(2)
    paid_out = court.running(db, 100_000, 150_000, stage=till.life.stage, float_minor=0)
    paid_out.decide(paid_out.dispute(0), "lost")
    raising = court.Court(lives.live(db, stage=till.life.stage, investors=1))
    raising.life.commitments.append(raising.invest("instant", 100_000))
    raising.cancel(raising.life.commitments[0])
    raising.work()
    raising.decide(raising.dispute(0), "lost")


def exported(db: Database, form: str) -> str:
    with db.read() as session:
        out = io.StringIO()
        export.write(session, out, form)
        return out.getvalue()


def accepts(find_program: Program, form: str, path: Path) -> subprocess.CompletedProcess[str]:
    if form == "hledger":
        command = [find_program("hledger"), "-f", str(path), "check", "--strict"]
    else:
        command = [find_program("bean-check"), "--no-cache", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("form", export.FORMATS)
def test_both_programs_accept_the_books_and_refuse_one_moved_cent(
    db: Database, tmp_path: Path, find_program: Program, form: str
) -> None:
    full_books(db)
    bitcoin(db)
    text = exported(db, form)
    whole = tmp_path / f"books.{form}"
    whole.write_text(text)
    run = accepts(find_program, form, whole)
    assert run.returncode == 0, run.stdout + run.stderr

    for number, altered in enumerate((moved_cent(text), missing_cent(text))):
        path = tmp_path / f"altered{number}.{form}"
        path.write_text(altered)
        assert accepts(find_program, form, path).returncode != 0


@pytest.mark.parametrize("form", export.FORMATS)
def test_wnd_4_both_programs_accept_what_rails_took_back(
    db: Database, tmp_path: Path, find_program: Program, form: str
) -> None:
    taken_back(db)
    text = exported(db, form)
    for kind in NEW_ACCOUNTS:
        assert re.search(rf"\b{kind}:", text, re.IGNORECASE), f"nothing stands in {kind}"
    path = tmp_path / f"books.{form}"
    path.write_text(text)
    run = accepts(find_program, form, path)
    assert run.returncode == 0, run.stdout + run.stderr


def moved_cent(text: str) -> str:
    """Return the text with the float funded by one cent more: the journal balances, the end does not."""
    journal = re.search(r"float_funded(?:.*\n)+?\n", text)
    assert journal is not None
    altered = journal.group().replace("500.00", "500.01")
    assert altered.count("500.01") == 2
    return text.replace(journal.group(), altered)


def missing_cent(text: str) -> str:
    """Return the text with the first line of a payment lowered by one cent: the journal does not balance."""
    line = re.search(r"(payment_cleared(?:.*\n)+?\s+\S+\s+)(\d+)\.(\d\d)", text)
    assert line is not None
    minor = int(line[2] + line[3]) - 1
    return text[: line.start()] + f"{line[1]}{minor // 100}.{minor % 100:02d}" + text[line.end() :]


def test_hledger_adds_up_what_the_database_says(db: Database, tmp_path: Path, find_program: Program) -> None:
    life = lives.active(db, amounts=(100_000, 300_000))
    path = tmp_path / "books.journal"
    path.write_text(exported(db, "hledger"))
    run = subprocess.run(
        [find_program("hledger"), "-f", str(path), "balance", f"escrow:{life.offering_id}", "--no-total", "-O", "csv"],
        capture_output=True, text=True, check=True,
    )
    # 4,000.00 raised, 15 % released at the close.
    assert run.stdout.splitlines()[1] == f'"escrow:{life.offering_id}","-3400.00 USD"'


def test_amounts_have_the_decimals_of_their_asset(db: Database) -> None:
    bitcoin(db)
    text = exported(db, "hledger")
    assert 'commodity 1000.00000000 "BTC"' in text
    assert '0.60000000 "BTC"' in text
    assert re.search(r'commodity 1000\. "T\d+-A"', text)
    text = exported(db, "beancount")
    assert re.search(r"balance Liabilities:Escrow:Off-[0-9a-f]+  -1\.14792500 ~ 0\.00000000 BTC", text)
    assert re.search(r"balance Assets:Outstanding:Tcl-[0-9a-f]+  \d+ ~ 0 T\d+-A", text)


@pytest.mark.parametrize("form", export.FORMATS)
def test_an_empty_ledger_is_a_ledger(db: Database, tmp_path: Path, find_program: Program, form: str) -> None:
    path = tmp_path / "empty"
    path.write_text(exported(db, form))
    run = accepts(find_program, form, path)
    assert run.returncode == 0, run.stdout + run.stderr
