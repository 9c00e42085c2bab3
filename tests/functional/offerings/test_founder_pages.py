"""A founder's own pages: from a company to a launch, and the ways to give up."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import yaml

from app.accounts import queries as people
from app.accounts.actor import Actor
from app.offerings import queries, service
from tests.factories.life import contract_document
from tests.functional.offerings.conftest import Raise
from tests.functional.visitor import Visitor

RaiseOf = Callable[..., Raise]

MONEY = {
    "currency": "EUR/2", "minimum": "2,000", "target": "5000.00", "maximum": "10000", "price": "0.5",
    "minimum_ticket": "500", "deadline_time": "17:00", "zone": "Europe/Berlin", "calendar": "DE",
}


def link(visitor: Visitor, part: str) -> str:
    """Return the first link of the page whose address contains this."""
    found = [href for href, _text in visitor.page.links if part in href]
    assert found, f"no link with {part!r} on “{visitor.page.title}”"
    return found[0]


def test_the_whole_road_from_a_company_to_a_launch(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted", auditors=1)
    stage = raised.life.stage
    founder = raised.visitor()
    founder.sign_up(role="founder", email="ada@halden.example", name="Ada Halden")
    assert "Begin with your company" in founder.open("/founder").text
    founder.open("/founder/companies/new")
    founder.send(name="Halden Ltd", place="Bremen, Germany", description="We build sensors.")
    assert founder.page.title == "Halden Ltd"
    founder.open(link(founder, "/classes/new"))
    founder.send(name="Class B", code="HALDEN-B", rights="One vote.", authorised_tokens="30000", existing_tokens="7")
    assert '<th scope="row">Class B</th>' in founder.page.source
    founder.open(link(founder, "/offerings/new"))
    deadline = (stage.now.date().replace(day=1)).replace(year=stage.now.year + 1)
    founder.send(name="Halden raise", deadline=deadline.isoformat(), **MONEY)
    assert founder.page.title == "Halden raise", founder.page.errors
    offering_id = founder.path.rpartition("/")[2]
    assert "Next: you must submit it for review by" in founder.page.text
    founder.open(f"/founder/offerings/{offering_id}/story")
    founder.send(pitch="Sensors for tidal turbines.", story="We build sensors.", risks="We may fail.")
    document = contract_document(deadline, currency="EUR/2") | {"zone": "Europe/Berlin", "calendar": "DE"}
    founder.open(f"/founder/offerings/{offering_id}/contract/import")
    founder.send(files={"file": (_file(yaml.safe_dump(document)), "contract.yaml")})
    assert "The contract passes the check" in founder.page.text, founder.page.text
    founder.open(f"/founder/offerings/{offering_id}/submit")
    assert "€2,000.00, €5,000.00, €10,000.00" in founder.page.text
    founder.send()
    assert founder.page.title == "Submitted for review"
    founder.open(f"/founder/offerings/{offering_id}")
    assert "an operator must approve it or ask for changes by" in founder.page.text
    stage.appoint(offering_id, raised.life.operator, raised.life.auditors, accept=False)
    _approve(raised, offering_id)
    founder.set_up_second_factor()
    founder.open(f"/founder/offerings/{offering_id}/launch")
    assert "Not all auditors have accepted" in founder.page.text
    _accept_all(raised, offering_id)
    founder.open(f"/founder/offerings/{offering_id}/launch")
    content_hash = re.search(r"<code>([0-9a-f]{64})</code>", founder.page.source)[1]
    founder.send()
    assert founder.page.title == "The offering is open"
    assert content_hash in founder.page.source
    offering = stage.offering(offering_id)
    assert (offering.state, offering.currency, offering.fee_bp, offering.price_micro) == ("live", "EUR/2", 500, 500_000)
    assert f"{offering.deadline_at:%H:%M}" == "16:00"  # 17:00 in Berlin in winter
    assert raised.visitor().open(f"/offerings/{offering.slug}").title == "Halden raise"


def _file(text: str) -> object:
    from io import BytesIO

    return BytesIO(text.encode())


def _approve(raised: Raise, offering_id: str) -> None:
    raised.db.unit_of_work(
        lambda session: service.approve(
            session, actor=raised.life.operator, offering_id=offering_id, now=raised.life.stage.now
        )
    )


def _accept_all(raised: Raise, offering_id: str) -> None:
    from app.contracts import service as contracts

    auditor: Actor = raised.life.auditors[0]

    def accept(session: service.Session) -> None:
        offering = service.offering_by_id(session, offering_id)
        for each in contracts.appointments(session, offering.contract_id):
            contracts.answer_appointment(
                session, actor=auditor, appointment_id=each.public_id, accept=True, now=raised.life.stage.now
            )

    raised.db.unit_of_work(accept)


def test_what_stands_in_the_way_is_listed_with_links_and_nothing_is_submitted(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted", fields={"story": "", "risks": ""}, contract={"tranches": (4500, 4000), "relaxed": ()})
    founder = raised.founder()
    page = founder.open(f"{raised.dashboard}/submit")
    assert "Write the story before you submit." in page.text
    assert link(founder, "/story#story").endswith("/story#story")
    assert link(founder, "/contract#milestones-0-tranche")
    founder.send()
    assert founder.status == 422
    assert raised.offering.state == "draft"


def test_com_8_the_same_form_twice_makes_one_company(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted")
    founder = raised.founder(own=False)
    form = founder.open("/founder/companies/new").form_to()
    values = [(name, value) for name, value in form.values if name not in ("name", "place")]
    values += [("name", "Twice Ltd"), ("place", "Bristol")]
    founder.post("/founder/companies/new", values)
    first = founder.path
    founder.post("/founder/companies/new", values)
    assert founder.path == first
    with raised.db.read() as session:
        user = people.user_by_email(session, next(iter(_emails(founder))))
        actor = people.actor_for(session, user.id)
        assert len(queries.companies_of(session, actor.parties("founder"))) == 1


def _emails(founder: Visitor) -> set[str]:
    return set(re.findall(r"founder\.[\w-]+@example\.com", founder.open("/account").source))


@pytest.mark.parametrize("path", ["", "/story", "/money", "/contract", "/contract/import", "/submit", "/submitted"])
@pytest.mark.databases("sqlite")
def test_somebody_elses_offering_is_not_there(raise_of: RaiseOf, path: str) -> None:
    raised = raise_of("drafted")
    stranger = raised.founder(own=False)
    stranger.open(raised.dashboard + path)
    assert stranger.status == 404
    raised.visitor().open(raised.dashboard + path)


def test_somebody_elses_acts_are_not_there_and_change_nothing(raise_of: RaiseOf) -> None:
    raised = raise_of("active")
    stranger = raised.founder(own=False, second_factor=True)
    before = raised.rows()
    for path in ("/launch", "/withdraw", "/resign", "/launched", "/withdrawn", "/resigned"):
        stranger.open(raised.dashboard + path)
        assert stranger.status == 404, path
    stranger.open(f"/founder/companies/{raised.life.issuer_id}")
    assert stranger.status == 404
    stranger.open(f"/founder/companies/{raised.life.issuer_id}/payee")
    assert stranger.status == 404
    form = stranger.open("/founder/companies/new").form_to()
    stranger.post(f"{raised.dashboard}/resign", [*form.values, ("reason", "Because.")])
    assert stranger.status in (404, 422)
    assert raised.rows() == before
    assert raised.offering.state == "active"


@pytest.mark.parametrize("path", ["/launch", "/withdraw", "/resign"])
@pytest.mark.databases("sqlite")
def test_ppl_1_binding_acts_ask_for_a_second_factor(raise_of: RaiseOf, path: str) -> None:
    raised = raise_of("drafted")
    founder = raised.founder()
    founder.open(raised.dashboard + path)
    assert founder.path.startswith("/account/second-factor")


def test_off_9_withdrawing_shows_its_consequence_and_refunds_everybody(raise_of: RaiseOf) -> None:
    raised = raise_of("live", investors=2)
    for investor in raised.life.investors:
        raised.life.stage.invest(investor, raised.life.offering_id, 60_000)
    founder = raised.founder(second_factor=True)
    page = founder.open(f"{raised.dashboard}/withdraw")
    assert "$1,200.00 of 2 investors goes back, all of it, with no fee." in page.text
    founder.send(reason="  ")
    assert founder.status == 422
    assert raised.offering.state == "live"
    founder.send(reason="We found a customer who pays for it.")
    assert founder.page.title == "The offering is withdrawn"
    raised.life.stage.advance(days=1)
    assert raised.offering.state == "withdrawn"
    shown = raised.visitor().open(raised.page)
    assert "Everybody gets everything back, with no fee: $1,200.00." in shown.text
    assert "The reason given: “We found a customer who pays for it.”" in shown.text


def test_wnd_1_resigning_previews_to_the_cent_what_it_posts(raise_of: RaiseOf) -> None:
    raised = raise_of("active")
    founder = raised.founder(second_factor=True)
    page = founder.open(f"{raised.dashboard}/resign")
    # 15 % of 3,833.00 was released at the close; the rest goes back.
    assert "Goes back to 3 investors at once $3,258.05" in page.text
    assert "Tokens that stay with investors 1,149" in page.text or "Tokens that stay with investors 1,148" in page.text
    founder.send(reason="The team parts.")
    assert founder.page.title == "The plan is being wound down"
    assert "$3,258.05 is owed back to the investors" in founder.page.text
    founder.open(f"{raised.dashboard}/resign")
    assert "Only a plan that runs can be wound down." in founder.page.text


def test_mil_12_changing_the_payee_needs_the_box_and_starts_the_hold(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted")
    founder = raised.founder(second_factor=True)
    path = f"/founder/companies/{raised.life.issuer_id}/payee"
    page = founder.open(path)
    assert "Nothing is paid out for 7 days after a change" in page.text
    founder.send(payee_ref="sbx_acct_fails")
    assert founder.status == 422
    raised.life.stage.advance(days=3)
    founder.send(payee_ref="sbx_acct_fails", agreed="y")
    assert founder.page.title == "The account is changed"
    assert "Pretend account that turns payouts away" in founder.page.text


def test_the_dashboard_says_when_the_next_cent_can_come_and_where_the_last_ones_are(raise_of: RaiseOf) -> None:
    raised = raise_of("active")
    raised.life.stage.advance(hours=1)
    founder = raised.founder()
    page = founder.open(raised.dashboard)
    assert "Next: you must submit evidence for “Milestone 1” by" in page.text
    assert "Hand in the evidence for “Milestone 1” today, and it is released at the earliest on" in page.text
    assert "Released $574.95" in page.text
    assert "$28.74 of it is the fee" in page.text
    assert raised.life.stage.milestone(raised.life.offering_id, 1).public_id in page.source


def test_gets_write_nothing(raise_of: RaiseOf) -> None:
    raised = raise_of("live", investors=1)
    founder = raised.founder(second_factor=True)
    before = raised.rows()
    for path in ("/", "/offerings", raised.page, f"{raised.page}/contract", "/founder", raised.dashboard,
                 f"{raised.dashboard}/withdraw", f"/founder/companies/{raised.life.issuer_id}"):
        founder.open(path)
        assert founder.status == 200, path
    assert raised.rows() == before


def test_only_a_draft_can_be_changed(raise_of: RaiseOf) -> None:
    raised = raise_of("live", investors=0)
    founder = raised.founder()
    founder.open(f"{raised.dashboard}/story")
    founder.send(pitch="Something else.")
    assert founder.status == 409
    assert founder.page.errors == ["Only a draft can be changed. Withdraw the submission first."]
    assert raised.offering.pitch == "Sensors for tidal turbines."
