"""Starting a draft's contract from a template, on the pages and on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import yaml
from click.testing import Result
from flask import Flask

from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.contracts import templates
from app.offerings import figures, rules, service
from app.offerings.contract_forms import starter_document
from milestones import document as documents
from milestones.template import resolve
from milestones.terms import Terms
from tests.functional.offerings.conftest import Raise

RaiseOf = Callable[..., Raise]


def terms_of(raised: Raise) -> Terms:
    with raised.db.read() as session:
        offering = service.offering_by_id(session, raised.life.offering_id)
        return contracts.draft_terms(contract_queries.contract(session, offering.contract_id))


def dated(raised: Raise, name: str) -> Terms:
    offering = raised.offering
    return documents.parse_document(resolve(
        templates.template(name), starts_on=figures.day_of(offering, offering.deadline_at), currency=offering.currency,
        zone=offering.zone, calendar=offering.calendar, title=offering.name,
    ))


def test_a_template_replaces_milestones_only_when_asked_to(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted")
    before, rows = terms_of(raised), raised.rows()
    founder = raised.founder()
    page = founder.open(f"{raised.dashboard}/contract/templates")
    assert all(each.title in page.text and each.use in page.text for each in templates.library())
    founder.open(f"{raised.dashboard}/contract/templates/solar")
    assert "Yes, replace the 3 milestones that are in the draft" in founder.page.text
    founder.send()
    assert founder.status == 422
    assert founder.page.errors == ["Say that the milestones that are there now may be replaced, or leave them."]
    assert terms_of(raised) == before
    founder.send(replace="1")
    assert "The draft begins from “Solar or other energy project”." in founder.page.text
    assert terms_of(raised) == dated(raised, "solar")
    assert raised.rows()["contract"] == rows["contract"]


@pytest.mark.databases("sqlite")
def test_a_new_draft_is_led_to_the_templates_and_takes_one_at_once(raise_of: RaiseOf, site: Flask) -> None:
    with site.test_request_context():
        starter = starter_document(title="New", currency="USD/2", zone="UTC", calendar="US",
                                   target_date="2027-06-01", long_stop="2027-12-01")
    raised = raise_of("drafted", document=starter)
    founder = raised.founder()
    assert "Begin from a template" in founder.open(f"{raised.dashboard}/contract").text
    page = founder.open(f"{raised.dashboard}/contract/templates/game")
    assert 'name="replace"' not in page.source
    founder.send()
    assert terms_of(raised) == dated(raised, "game")
    assert "Begin from a template" not in founder.page.text


def test_mil_4_a_template_passes_the_check_with_usual_figures(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted", fields={"minimum_ticket_minor": 25_000, "price_micro": 250_000,
                                         "maximum_minor": 5_000_000, "target_minor": 4_000_000})
    founder = raised.founder()
    for each in templates.library():
        page = founder.open(f"{raised.dashboard}/contract/templates/{each.name}")
        assert "With your figures it passes the check as it is" in page.text, each.name
        assert all(milestone.title in page.text for milestone in each.terms.milestones)
        assert len(page.source.encode()) < 60 * 1024
    founder.open(f"{raised.dashboard}/contract/templates/film")
    founder.send(replace="1")
    assert "The contract passes the check" in founder.page.text


@pytest.mark.databases("sqlite")
def test_what_the_check_will_ask_is_said_before(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted", fields={"minimum_ticket_minor": 100, "price_micro": 1_000_000})
    page = raised.founder().open(f"{raised.dashboard}/contract/templates/film")
    assert "The check will ask you to change this" in page.text
    assert "buys fewer than 100 tokens" in page.text


@pytest.mark.databases("sqlite")
def test_off_14_a_plan_longer_than_the_rail_may_hold_money_is_said_before(
    raise_of: RaiseOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "RAILS", {"sandbox": rules.RailFigures("bank", 400)})
    raised = raise_of("drafted")
    page = raised.founder().open(f"{raised.dashboard}/contract/templates/biotech")
    assert "this rail may hold money until" in page.text


@pytest.mark.databases("sqlite")
def test_a_template_is_only_for_the_drafts_founders(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted")
    stranger = raised.founder(own=False)
    for path in ("templates", "templates/film"):
        assert stranger.open(f"{raised.dashboard}/contract/{path}").source
        assert stranger.status == 404
    founder = raised.founder()
    founder.open(f"{raised.dashboard}/contract/templates/none")
    assert founder.status == 404


@pytest.mark.databases("sqlite")
def test_an_open_offering_takes_no_template(raise_of: RaiseOf) -> None:
    raised = raise_of("live")
    founder = raised.founder()
    page = founder.open(f"{raised.dashboard}/contract/templates/film")
    assert "Only a draft can be changed." in page.text
    assert 'name="form_key"' not in page.source


def run(site: Flask, *arguments: str) -> Result:
    return site.test_cli_runner().invoke(args=["contract", "template", *arguments])


@pytest.mark.databases("sqlite")
def test_the_command_lists_and_shows_templates(site: Flask) -> None:
    listed = run(site, "list")
    assert listed.exit_code == 0
    assert "hardware    Hardware product: 4 milestones, 16 months" in listed.output
    assert "10 % + 20 % + 25 % + 25 % + 20 %" in listed.output
    assert [each["name"] for each in json.loads(run(site, "list", "--json").output)["templates"]] == list(
        templates.NAMES
    )
    shown = run(site, "show", "film", "--start", "2027-03-01")
    document = yaml.safe_load(shown.output)
    assert document["milestones"][0]["target_date"] == "2027-05-30"
    answer = json.loads(run(site, "show", "film", "--start", "2027-03-01", "--json").output)
    assert answer["document"] == document
    assert answer["hash"] == documents.contract_hash(documents.parse_document(document))


@pytest.mark.databases("sqlite")
def test_the_command_says_what_it_does_not_know(site: Flask) -> None:
    unknown = run(site, "show", "casino")
    assert unknown.exit_code == 1
    assert "There is no contract template “casino”." in unknown.output
    assert run(site, "show", "film", "--zone", "Mars/Base").exit_code == 1
    assert run(site, "show", "film", "--currency", "usd").exit_code == 1
