"""The contract editor without scripts, and importing files."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
import yaml

from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.offerings import service
from milestones.terms import Retainage, Terms
from tests.factories.life import contract_document
from tests.functional.offerings.conftest import Raise
from tests.functional.visitor import Visitor

RaiseOf = Callable[..., Raise]


def terms_of(raised: Raise) -> Terms:
    with raised.db.read() as session:
        offering = service.offering_by_id(session, raised.life.offering_id)
        return contracts.draft_terms(contract_queries.contract(session, offering.contract_id))


def editor(raised: Raise) -> Visitor:
    founder = raised.founder()
    founder.open(f"{raised.dashboard}/contract")
    assert founder.status == 200
    return founder


def send(visitor: Visitor, **typed: object) -> None:
    """Send the editor; dashes of names are written as double underscores."""
    visitor.send(None, **{name.replace("__", "-"): value for name, value in typed.items()})


def test_saving_what_is_shown_changes_nothing(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted")
    before = terms_of(raised)
    founder = editor(raised)
    send(founder, action="save")
    assert "The contract is saved." in founder.page.text
    assert terms_of(raised) == before


def test_buttons_add_and_remove_without_saving(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted")
    before = terms_of(raised)
    founder = editor(raised)
    send(founder, action="add_milestone")
    form = founder.page.form_to()
    assert form.value("milestones-3-title") == ""
    assert form.value("milestones-3-approvals") == "2"
    send(founder, action="add_criterion-3", milestones__3__title="Export", milestones__3__tranche="5")
    assert founder.page.form_to().value("milestones-3-criteria-1-text") == ""
    assert "The shares sum to 105 % of 100 %." in founder.page.text
    send(founder, action="remove_criterion-3-0")
    assert founder.page.form_to().value("milestones-3-criteria-1-text") is None
    send(founder, action="remove_milestone-0")
    form = founder.page.form_to()
    assert [form.value(f"milestones-{n}-title") for n in range(3)] == ["Milestone 2", "Milestone 3", "Export"]
    assert "The shares sum to 75 % of 100 %." in founder.page.text
    assert terms_of(raised) == before


def test_mil_1_shares_that_are_not_whole_are_refused_at_the_field_and_kept(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted")
    before = terms_of(raised)
    founder = editor(raised)
    send(founder, action="save", milestones__0__tranche="29.99")
    assert founder.status == 422
    assert founder.page.errors == ["The tranches sum to 9,999 basis points; they must sum to exactly 10,000 (100 %)."]
    assert 'href="#milestones-0-tranche"' in founder.page.source
    assert founder.page.form_to().value("milestones-0-tranche") == "29.99"
    assert "<title>Error: Milestone contract" in founder.page.source
    send(founder, action="save", milestones__0__tranche="３０")
    assert founder.page.errors == ["Enter a share in percent with at most two decimals, such as 33.33."]
    assert terms_of(raised) == before


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("milestones-1-target_date", "2027-02-30", "There is no day 2027-02-30."),
        ("milestones-1-title", "", "This text is empty. Fill it in."),
        ("milestones-1-approvals", "4", "4 approvals out of 1 auditors cannot happen. Ask for at most 1."),
        ("milestones-1-grace_days", "x", "Enter a whole number with the digits 0 to 9."),
        ("milestones-1-criteria-0-procedure", " ", "This text is empty. Fill it in."),
        ("milestones-1-criteria-0-value", "1e5", "This must be a plain number in quotes, such as \"50000\"."),
    ],
)
@pytest.mark.databases("sqlite")
def test_a_wrong_field_says_what_to_type(raise_of: RaiseOf, field: str, value: str, words: str) -> None:
    raised = raise_of("drafted")
    founder = editor(raised)
    send(founder, action="save", **{field: value})
    assert founder.status == 422
    assert words in founder.page.errors
    assert f'href="#{field}"' in founder.page.source


def test_mil_4_findings_link_to_their_place_and_relaxing_is_printed(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted", contract={"tranches": (4500, 4000), "relaxed": ()},
                      fields={"maximum_minor": 900_000, "target_minor": 500_000})
    founder = editor(raised)
    assert "“Milestone 1” releases 45 % at once; 40 % is the most. Split it." in founder.page.text
    assert f"{raised.dashboard}/contract#milestones-0-tranche" in founder.page.source
    send(founder, action="save", relaxed=["tranche_over_40", "half_in_60_days"])
    assert "The contract passes the check" in founder.page.text
    assert "One milestone alone releases 45 % of the money; 40 % is usual." in founder.open(raised.page).text


def upload(raised: Raise, data: bytes) -> Visitor:
    founder = raised.founder()
    founder.open(f"{raised.dashboard}/contract/import")
    founder.send(files={"file": (BytesIO(data), "contract.yaml")})
    return founder


def test_mil_3_a_file_that_is_wrong_names_lines_and_changes_nothing(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted")
    before = terms_of(raised)
    document = contract_document(raised.offering.deadline_at.date(), tranches=(3000, 3000, 2499))
    founder = upload(raised, yaml.safe_dump(document, sort_keys=False).encode())
    assert founder.status == 422
    assert "The tranches sum to 9,999 basis points" in founder.page.text
    assert "/milestones" in founder.page.text
    assert "Nothing was changed." in founder.page.text
    for data in (b"", b"x" * (256 * 1024 + 1), b"\xff\xfe", b"a: &b [1]\nc: *b", b"[" * 5000):
        assert upload(raised, data).status == 422
    assert terms_of(raised) == before


def test_an_imported_contract_is_checked_before_it_can_be_submitted(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted")
    document = contract_document(raised.offering.deadline_at.date(), currency="EUR/2")
    document["milestones"][0]["auditors"] = ["pty_nobody"]
    document["milestones"][1]["target_date"] = document["milestones"][0]["target_date"][:8] + "01"
    founder = upload(raised, yaml.safe_dump(document).encode())
    assert founder.status == 200
    assert "There is no auditor “pty_nobody”. Choose one of the auditors listed here." in founder.page.text
    assert "The contract is in EUR/2, the offering in USD/2." in founder.page.text
    founder.open(f"{raised.dashboard}/submit")
    founder.send()
    assert founder.status == 422
    assert raised.offering.state == "draft"


def test_mil_11_parts_and_retainage_are_typed_and_saved(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted")
    founder = editor(raised)
    send(
        founder, action="save", schema="milestake/contract/2", report_months="6", milestones__0__partial_releases="1",
        milestones__0__reporting="5", milestones__0__extension_days="20", milestones__0__auditor_fee="250.50",
        milestones__0__retain="10", milestones__0__retain_event="No defect is open.",
        milestones__0__retain_procedure="Read it.", milestones__0__retain_evidence="Defects certificate",
        milestones__0__retain_after_days="90", milestones__0__retain_days="180",
    )
    assert "The contract is saved." in founder.page.text
    terms = terms_of(raised)
    first = terms.milestones[0]
    assert (terms.schema, terms.report_months) == ("milestake/contract/2", 6)
    assert (first.partial_releases, first.reporting_retainage_bp, first.extension_days) == (1, 500, 20)
    assert first.auditor_fee_minor == 25_050
    assert first.retainage == Retainage(1000, "No defect is open.", "Read it.", ("defects_certificate",), 90, 180)
    before = terms
    send(founder, action="save", milestones__0__retain="11")
    assert terms_of(raised) == before
    assert founder.page.form_to().value("milestones-0-retain") == "11"
