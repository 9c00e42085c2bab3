"""Filed offerings: what a bad line is told, how figures are read, and a replay on real days."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app import clock, replay
from app.db import Database
from app.ledger import chart
from app.ledger import queries as ledger
from app.offerings.models import Offering
from app.replay import filing_report, filing_terms, filings
from app.replay.records import RecordError
from tests.factories.life import settings_for

SAMPLE = 8


def line(number: str, **changes: Any) -> str:
    """Return a filing of $10,000 to $50,000 at $0.50, open from 6 January to 14 February 2020."""
    row = {
        "file_number": number, "issuer": f"Company {number}", "filed_on": "2020-01-06", "security_type": "Common Stock",
        "price": "0.5", "target_amount": "10000", "max_amount": "50000", "oversub_accepted": "Y",
        "oversub_allocation": filings.FIRST_COME, "deadline": "2020-02-14", "outcome": "closed_at_or_above_target",
        "closing_amount": "20000", "anomalies": [], "events": [{"filed_on": "2020-01-06", "form": "C"}],
    }
    return json.dumps({name: value for name, value in {**row, **changes}.items() if value is not None})


def amended(filed_on: str, term_changes: str = "", form: str = "C/A") -> dict[str, str]:
    return {"filed_on": filed_on, "form": form, "term_changes": term_changes, "text": "As filed."}


def read(tmp_path: Path, *lines: str) -> list[filings.Filing]:
    file = tmp_path / "offerings.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return filings.read(file)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Line 1 is not JSON: "),
        ("[]", "Line 1 is not an offering: a JSON object with its filing is expected."),
        (line("1", issuer=None), "Line 1: issuer is missing."),
        (line("1", issuer=" "), "Line 1: issuer “” is empty."),
        (line("1", filed_on="2020-13-01"), "Line 1: filed_on “2020-13-01” is not a date such as 2016-11-13."),
        (line("1", target_amount="ten"), "Line 1: target_amount “ten” is not a number."),
        (line("1", target_amount="0"), "Line 1: target_amount “0” must be above 0."),
        (line("1", price="-1"), "Line 1: price “-1” is not an amount from 0 to a million million."),
        (line("1", closing_amount="NaN"), "Line 1: closing_amount “NaN” is not an amount from 0 to a million million."),
        (line("1", outcome="sold"), "Line 1: outcome “sold” is none of closed_at_or_above_target"),
        (line("1", oversub_accepted="yes"), "Line 1: oversub_accepted “yes” is neither Y nor N."),
        (line("1", events=["C"]), "Line 1: events “['C']” has no object as its entry 1."),
        (line("1", events=[amended("2020-01-09", "deadline 2020-03-01")]),
         "Line 1: events[1].term_changes “deadline 2020-03-01” has “deadline 2020-03-01”; expected is like"),
        (line("1", events=[amended("2020-01-09", "deadline:2020-02-14>soon")]),
         "Line 1: events[1].term_changes deadline “soon” is not a date such as 2016-11-13."),
    ],
)
def test_a_bad_line_is_told_with_its_number_its_field_and_its_value(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RecordError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(words)


def test_every_faulty_line_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        read(tmp_path, line("1", issuer=None), line("2"), "", *[line("3", price="x")] * 25)
    said = str(caught.value).splitlines()
    assert said[:2] == ["Line 1: issuer is missing.", "Line 4: price “x” is not a number."]
    assert (len(said), said[-1]) == (21, "… and 6 more lines.")


def test_artefacts_of_binary_arithmetic_are_normalised_and_counted(tmp_path: Path) -> None:
    [found] = read(tmp_path, line("1", price="17.729400000000002", target_amount="9995.800000000001"))
    notes: Counter[str] = Counter()
    plan = filing_terms.plan(found, notes)
    assert plan is not None
    assert (plan.terms.price_micro, plan.terms.target_minor) == (17_729_400, 999_580)
    assert notes == {filing_terms.ARTEFACT_PRICE: 1, filing_terms.ARTEFACT_AMOUNT: 1}


def test_off_1_a_price_of_six_places_stays_exact(tmp_path: Path) -> None:
    [found] = read(tmp_path, line("1", price="0.31513"))
    plan = filing_terms.plan(found, Counter())
    assert plan is not None
    assert plan.terms.price_micro == 315_130
    entered = filing_terms.fields(plan, plan.terms)
    assert (entered.minimum_minor, entered.maximum_minor, entered.allotment) == (1_000_000, 5_000_000, "first_come")


def test_amendments_change_the_terms_they_name_and_no_other(tmp_path: Path) -> None:
    change = "deadline:2020-02-14>2020-03-01;max:50000>60000.5;units:1>2"
    [found] = read(tmp_path, line("1", events=[amended("2020-01-20", change)]))
    plan = filing_terms.plan(found, Counter())
    assert plan is not None
    terms = filing_terms.amended(plan.terms, found.amendments[0], Counter())
    assert (terms.deadline_at.isoformat(), terms.maximum_minor) == ("2020-03-02T00:00:00+00:00", 6_000_050)
    assert (terms.target_minor, terms.price_micro) == (plan.terms.target_minor, plan.terms.price_micro)
    assert filing_terms.plan(found, Counter()).last_deadline.isoformat() == "2020-03-01"  # type: ignore[union-attr]


def test_a_filing_without_a_price_is_not_played(tmp_path: Path) -> None:
    [found] = read(tmp_path, line("1", price=None))
    assert filing_terms.plan(found, Counter()) is None
    assert found.target == Decimal("10000")


def played(db: Database, file: Path) -> tuple[dict[str, str], str]:
    said: list[str] = []
    assert replay.run_filings(db, settings_for(db), file, said.append), "\n".join(said)
    with db.read() as session:
        states = {row.name: row.state for row in session.execute(sa.select(Offering.name, Offering.state))}
    return states, "\n".join(said)


@pytest.mark.databases("sqlite")
def test_each_anomaly_behaves_as_its_table_says_and_the_books_are_whole(db: Database, tmp_path: Path) -> None:
    file = tmp_path / "offerings.jsonl"
    file.write_text("\n".join([
        line("above", closing_amount="80000", anomalies=["closed_above_disclosed_max"]),
        line("below", closing_amount="1.70", outcome="closed_below_target", anomalies=["closed_below_target"]),
        line("early", deadline="2020-01-03", outcome="no_closing_filed", closing_amount=None,
             anomalies=["deadline_before_filing"]),
        line("mended", max_amount="100", price="0.41000000000000003",
             anomalies=["max_below_target", "price_is_a_float_artefact"],
             events=[amended("2020-01-09", "max:100>40000;deadline:2020-02-14>2020-02-20")]),
        line("gone", outcome="withdrawn", closing_amount=None, withdrawn_on="2020-01-30",
             events=[amended("2020-01-20", "deadline:2020-02-14>2020-02-25"), amended("2020-01-30", form="C-W")]),
        line("unpriced", price=None),
    ]), encoding="utf-8")
    states, text = played(db, file)

    assert {name.partition("(")[2].rstrip(")"): state for name, state in states.items()} == {
        "above": states["Company above (above)"], "below": "failed", "early": "withdrawn",
        "mended": states["Company mended (mended)"], "gone": "withdrawn",
    }
    assert {states["Company above (above)"], states["Company mended (mended)"]} <= {"completed", "wound_down"}
    for words in (
        "6 filings of offerings.jsonl, seed 2007.", "1 refused: deadline too soon",
        "refused at publication: amounts out of order", "order refused:", "1 without a price skipped",
        "price is a float artefact: taken to 6 places", "cents in = cents out + cents held",
        "Ledger check: nothing found.",
    ):
        assert words in text, text
    with db.read() as session:
        above = session.scalars(sa.select(Offering).where(Offering.name.startswith("Company above"))).one()
        assert (above.launched_at or above.created_at).date().isoformat() == "2020-01-06"
        assert 4_900_000 <= (above.proceeds_minor or 0) <= 5_000_000
        assert ledger.balance(session, chart.escrow(above.public_id, above.currency)) == 0
    assert clock.system_now().year >= 2026


def test_the_table_of_anomalies_is_that_of_the_documentation() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    assert {name for name in filing_report.BEHAVIOUR if f"| `{name}` |" in text} == set(filing_report.BEHAVIOUR)


@pytest.mark.databases("sqlite")  # the contracts' sample walks the same services on both
@pytest.mark.replay
def test_a_sample_of_the_real_filings_ends_with_every_book_balanced(
    db: Database, real_data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "sample.jsonl"
    chosen = sample(real_data / "offerings.jsonl")
    file.write_text("\n".join(chosen), encoding="utf-8")
    states, text = played(db, file)
    assert set(states.values()) <= {"completed", "wound_down", "failed", "withdrawn"}
    assert 5 <= len(chosen) <= SAMPLE
    assert f"{len(chosen)} filings of sample.jsonl" in text


def sample(file: Path) -> list[str]:
    """Return a few lines of some months, so that few days pass: the first of each outcome and anomaly, then others."""
    lines = dict(enumerate(file.read_text(encoding="utf-8").splitlines(), start=1))
    chosen: dict[tuple[str, ...], str] = {}
    others = []
    for found in filings.read(file):
        ends_on = max([found.deadline, *(each.filed_on for each in found.amendments)]).isoformat()
        if found.filed_on.isoformat() < "2020-08-01" or ends_on > "2020-12-31":
            continue
        kinds = {("outcome", found.outcome), *(("anomaly", each) for each in found.anomalies)} - set(chosen)
        chosen.update(dict.fromkeys(kinds, lines[found.line]))
        others.append(lines[found.line])
    return list(dict.fromkeys([*chosen.values(), *others]))[:SAMPLE]
