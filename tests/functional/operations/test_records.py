"""What supervisors read, who sees a journal and the holders, and the demo clock (TOK-3, PPL-2)."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask

from app import clock, create_app
from app.audit.models import LogEntry
from app.db import Database
from app.demo.stage import Stage
from app.ledger.models import Journal
from app.selfcheck import run as run_check
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional.signed_in import signed_in
from tests.functional.visitor import Visitor

AsActor = Callable[..., Visitor]


def journals(life: Life, kind: str) -> list[Journal]:
    with life.stage.db.read() as session:
        return list(session.scalars(sa.select(Journal).where(Journal.kind == kind).order_by(Journal.id)))


@pytest.fixture
def supervisor(life: Life, as_: AsActor) -> Visitor:
    return as_(life.stage.person("supervisor", "Sam Supervisor"))


def test_a_supervisor_reads_records_registers_log_and_exports(life: Life, supervisor: Visitor) -> None:
    offering = life.stage.offering(life.offering_id)
    for address, words in {
        "/supervisor": "You can read everything here and change nothing.",
        "/operator/offerings": offering.name,
        f"/operator/offerings/{life.offering_id}": "Milestones and their auditors",
        "/operator/registers": "1,149",
        "/operator/log": "offering.succeed",
        "/operator/ledger": "escrow:",
        "/operator/ledger?kind=escrow": f"escrow:{life.offering_id}",
        "/operator/ledger/journals": "offering published",
        f"/operator/ledger/account?address=escrow:{life.offering_id}&asset=USD/2": "payment cleared",
        "/operator/check": "Nothing contradicts itself",
        "/operator/schedule": "Choose how far to look ahead",
        "/operator/schedule?days=7": "Every cent has a way out",
        f"/offerings/{offering.slug}/holders": "Investor 2",
    }.items():
        page = supervisor.open(address)
        assert supervisor.status == 200, address
        assert words in page.text, address
    supervisor.open(f"/operator/registers/{life.token_class_id}.csv")
    assert supervisor.answer.data.decode().splitlines()[1].split(",")[1:] == [
        "Investor 2", supervisor.answer.data.decode().splitlines()[1].split(",")[2], "450", "1",
    ]
    supervisor.open("/operator/export/hledger")
    assert supervisor.answer.mimetype == "text/plain"
    assert f"escrow:{life.offering_id}" in supervisor.answer.data.decode()
    supervisor.open("/operator/log.csv")
    assert supervisor.answer.data.decode().startswith("entry,at_utc,who,action,object,before,after,reason,sha256\r\n")


def test_ppl_2_a_supervisor_can_send_nothing(life: Life, supervisor: Visitor, pages: Flask) -> None:
    """Over the whole URL map: whatever a supervisor sends is refused, and nothing changed."""
    own_account = {rule.endpoint for rule in pages.url_map.iter_rules() if rule.endpoint.startswith("accounts.")}
    tried = []
    with life.stage.db.read() as session:
        before = session.scalar(sa.select(sa.func.count()).select_from(LogEntry))
    token = _csrf(supervisor)
    for rule in pages.url_map.iter_rules():
        view = pages.view_functions[rule.endpoint]
        if "POST" not in rule.methods or rule.endpoint in own_account:
            continue
        assert "supervisor" not in view.auth_rule.roles or "GET" in rule.methods, rule.endpoint
        if view.auth_rule.public or rule.endpoint.startswith(("styleguide.", "notices.")):
            continue
        address = rule.rule
        for argument in rule.arguments:
            address = _filled(address, argument, life)
        answer = supervisor.client.post(address, data={"csrf_token": token, "reason": "x", "seconds": "60"})
        assert answer.status_code in (302, 303, 403, 404), (rule.endpoint, answer.status_code)
        if answer.status_code in (302, 303):
            assert "/account/second-factor" in answer.location, (rule.endpoint, answer.location)
        tried.append(rule.endpoint)
    expected = {"reviews.decide", "orders.wind_down", "demo_clock.advance", "auditor.sign", "milestones.send"}
    assert expected <= set(tried)
    with life.stage.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(LogEntry)) == before
        assert clock.offset_seconds(session) >= 0


def _csrf(visitor: Visitor) -> str:
    return visitor.open("/supervisor").form_to("sign-out").value("csrf_token")


def _filled(address: str, argument: str, life: Life) -> str:
    ids = {"offering_id": life.offering_id, "issuer_id": life.issuer_id, "what": "approve", "slug": "halden-tidal",
           "milestone_id": life.stage.milestone(life.offering_id, 1).public_id, "commitment_id": life.commitments[0]}
    start = address.rindex("<", 0, address.index(f"{argument}>"))
    end = address.index(">", start)
    value = ids.get(argument, "1" if "int:" in address[start:end] else "none")
    return address[:start] + value + address[end + 1 :]


# -- journals and holders ---------------------------------------------------------------------------


def test_a_journal_is_seen_by_those_it_concerns_and_shows_nobody_elses_row(life: Life, as_: AsActor) -> None:
    released, payment = journals(life, "released")[0].public_id, journals(life, "payment_cleared")[0].public_id
    first, second, founder = as_(life.investors[0]), as_(life.investors[1]), as_(life.founder)
    page = first.open(f"/ledger/journals/{released}")
    assert "Your part of it" in page.text
    assert "$150.00" in page.text  # 15 % of 1,000.00
    assert "$225.00" not in page.text  # the second investor's
    assert "$574.95" in page.text  # the total
    first.open(f"/ledger/journals/{payment}")
    assert first.status == 200
    second.open(f"/ledger/journals/{payment}")
    assert second.status == 404
    founder.open(f"/ledger/journals/{payment}")
    assert founder.status == 404
    page = founder.open(f"/ledger/journals/{released}")
    assert founder.status == 200
    assert "Your part of it" not in page.text
    for actor in (life.stage.person("investor", "Ivy Elsewhere"), life.stage.person("founder", "Fred Elsewhere")):
        outsider = as_(actor)
        outsider.open(f"/ledger/journals/{released}")
        assert outsider.status == 404
    as_(life.operator).open(f"/ledger/journals/{payment}")


def test_tok_3_holders_as_of_a_day_for_the_company_and_one_row_for_a_holder(life: Life, as_: AsActor) -> None:
    slug = life.stage.offering(life.offering_id).slug
    yesterday = (life.stage.now - dt.timedelta(days=1)).date().isoformat()
    founder, investor = as_(life.founder), as_(life.investors[0])
    page = founder.open(f"/offerings/{slug}/holders")
    assert "Investor 1" in page.text
    assert "Investor 3" in page.text
    assert "4,001,149" in page.text  # 1,149 issued at the close, 4,000,000 outside the class
    page = founder.open(f"/offerings/{slug}/holders?as_of={yesterday}")
    assert "No token was issued by then." in page.text
    assert "4,000,000" in page.text
    page = investor.open(f"/offerings/{slug}/holders")
    assert "Investor 1" in page.text
    assert "2 other holders" in page.text
    assert "Investor 2" not in page.text
    founder.open(f"/offerings/{slug}/holders?as_of=yesterday")
    assert founder.status == 422
    outsider = as_(life.stage.person("investor", "Ivy Elsewhere"))
    outsider.open(f"/offerings/{slug}/holders")
    assert outsider.status == 404


@pytest.mark.databases("sqlite")
def test_the_log_is_searched_by_object_act_and_person(life: Life, as_: AsActor) -> None:
    operator = as_(life.operator)
    page = operator.open(f"/operator/log?object={life.offering_id}&action=offering.approve")
    assert "offering.approve" in page.text
    assert "offering.launch" not in page.text
    assert "Nothing found" in operator.open("/operator/log?who=nobody@example.org").text


# -- the demo clock ---------------------------------------------------------------------------------


def test_the_demo_clock_moves_forward_and_due_work_runs(life: Life, as_: AsActor) -> None:
    lives.reviewed(life, 1)
    life.stage.work()  # the window runs from the delivery of the verdict
    investor = as_(life.investors[0])
    page = investor.open("/clock")
    assert "Halden Tidal: Milestone 1" in page.text
    before = life.stage.now
    form = next(form for form in page.forms if "/clock/advance" in (form.action or ""))
    assert form.value("seconds") == "3600"
    deadline = life.stage.milestone(life.offering_id, 1).deadline_at
    seconds = (deadline - before) // dt.timedelta(seconds=1) + 2
    page = investor.send("/clock/advance", seconds=str(seconds))
    assert "The worker acts within seconds." in page.text
    assert deadline < life.stage.now < deadline + dt.timedelta(minutes=5)
    assert life.stage.milestone(life.offering_id, 1).state == "challengeable"
    page = investor.send("/clock/run")
    assert "done" in page.text
    assert life.stage.milestone(life.offering_id, 1).state == "released"
    for wrong in ("-5", "0", "1e9", "99999999999"):
        investor.open("/clock")
        now = life.stage.now
        investor.send("/clock/advance", seconds=wrong)
        assert investor.status == 422
        assert life.stage.now - now < dt.timedelta(minutes=1)
    with life.stage.db.read() as session:
        assert run_check(session) == []


@pytest.mark.databases("sqlite")
def test_with_real_money_there_is_no_clock(db: Database) -> None:
    stage = Stage(db, lives.settings_for(db))
    real = create_app(dataclasses.replace(stage.settings, sandbox=False), db)
    visitor = signed_in(real, stage.person("operator", "Olga Operator"))
    visitor.open("/clock")
    assert visitor.status == 404
    signed_out = Visitor(real)
    signed_out.open("/clock")
    assert signed_out.path.startswith("/sign-in")
