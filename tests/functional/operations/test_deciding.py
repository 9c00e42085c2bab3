"""What operators see and decide: review, auditors, suspension, wind-down, stuck work, float (OFF-4, MIL-8, PPL-2)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from app import clock
from app.accounts import credentials
from app.accounts.models import Party
from app.audit import queries as audit
from app.commitments.models import EscrowStatement
from app.ledger import chart
from app.ledger import queries as ledger
from app.offerings.lot_models import Draw, DrawTicket
from app.outbox import service as outbox
from app.outbox.models import JobFailure, OutboxMessage
from app.progress import queries as progress
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional.visitor import Visitor

AsActor = Callable[..., Visitor]


def last_entry(life: Life, object_id: str):
    with life.stage.db.read() as session:
        return audit.latest_entries(session, object_id=object_id, limit=1)[0]


@pytest.fixture
def in_review(life: Life) -> Life:
    """Give a second offering, submitted for review, on the same stage."""
    waiting = lives.drafted(
        life.stage.db, stage=life.stage, auditors=3, contract={"approvals": 2, "auditors": 2},
        fields={"name": "Lumen Grid"},
    )
    life.stage.submit_offering(waiting.offering_id, waiting.founder)
    return waiting


def test_the_console_shows_health_and_what_waits(life: Life, in_review: Life, as_: AsActor) -> None:
    page = as_(life.operator).open("/operator")
    for words in ("Debits equal credits in every asset.", "Cash in the books equals the rail’s statement.",
                  "Lumen Grid", "Nothing is past its date."):
        assert words in page.text


def test_off_4_an_operator_reviews_appoints_and_approves(life: Life, in_review: Life, as_: AsActor) -> None:
    operator, address = as_(in_review.operator), f"/operator/offerings/{in_review.offering_id}"
    page = operator.open(address)
    assert "Next: you must approve it or ask for changes by" in page.text
    assert "No rule of the contract or the figures is broken." in page.text
    assert "At most 20 %." in operator.open(f"{address}/fee").text
    page = operator.open(f"{address}/auditors/m1")
    assert "You cannot choose." in page.text
    page = operator.send()
    assert page.title == "The auditors are drawn"
    operator.open(f"{address}/auditors/m1")
    assert operator.send().errors == ["Every seat of this milestone is taken."]
    operator.open(f"{address}/approve")
    page = operator.send(reason="Read twice.")
    assert page.title == "The offering is approved"
    assert "Next: the founder must launch it by" in page.text
    assert life.stage.offering(in_review.offering_id).state == "approved"
    assert last_entry(life, in_review.offering_id).reason == "Read twice."


@pytest.mark.databases("sqlite")
def test_off_4_who_submitted_does_not_approve(life: Life, in_review: Life, as_: AsActor) -> None:
    """Roles of operator and founder are kept apart, so the rule is tried on the row itself."""
    life.stage.db.unit_of_work(lambda session: session.execute(
        sa.text("UPDATE offering SET submitted_by = :user WHERE public_id = :id"),
        {"user": in_review.operator.user_id, "id": in_review.offering_id}))
    operator = as_(in_review.operator)
    operator.open(f"/operator/offerings/{in_review.offering_id}/approve")
    operator.send(reason="")
    assert operator.status == 403
    assert life.stage.offering(in_review.offering_id).state == "in_review"
    life.stage.db.unit_of_work(lambda session: session.execute(
        sa.text("UPDATE offering SET submitted_by = :user WHERE public_id = :id"),
        {"user": in_review.founder.user_id, "id": in_review.offering_id}))


@pytest.mark.databases("sqlite")
def test_asking_for_changes_needs_a_reason_and_gives_it_back(life: Life, in_review: Life, as_: AsActor) -> None:
    operator = as_(in_review.operator)
    operator.open(f"/operator/offerings/{in_review.offering_id}/ask-changes")
    page = operator.send(reason=" ")
    assert page.errors == ["Write the reason; it is kept and shown to those it concerns."]
    assert life.stage.offering(in_review.offering_id).state == "in_review"
    page = operator.send(reason="The risks are two words long.")
    assert page.title == "The offering went back to the founder"
    assert life.stage.offering(in_review.offering_id).changes_asked == "The risks are two words long."


@pytest.mark.databases("sqlite")
def test_mil_8_an_auditor_with_ties_is_shown_with_the_reason_and_never_drawn(
    life: Life, in_review: Life, as_: AsActor
) -> None:
    with life.stage.db.read() as session:
        from app.accounts import queries as people

        email = people.user_by_id(session, in_review.founder.user_id).email
    life.stage.person("auditor", "Cousin Carl", email=f"carl@{email.partition('@')[2]}")
    operator = as_(in_review.operator)
    page = operator.open(f"/operator/offerings/{in_review.offering_id}/auditors/m1")
    assert "Cousin Carl shares the mail domain" in page.text
    operator.send()
    with life.stage.db.read() as session:
        draw = session.scalars(sa.select(Draw).order_by(Draw.id.desc())).first()
        assert draw is not None
        out = session.execute(
            sa.select(Party.name, DrawTicket.excluded).join(Party, Party.id == DrawTicket.party_id)
            .where(DrawTicket.draw_id == draw.id, DrawTicket.excluded.is_not(None))
        ).all()
    assert ("Cousin Carl", "mail_domain") in [tuple(each) for each in out]


def test_ppl_2_suspend_and_lift_by_another_operator(life: Life, as_: AsActor) -> None:
    lives.reviewed(life, 1)
    milestone = life.stage.milestone(life.offering_id, 1)
    first, second = as_(life.operator), as_(life.stage.person("operator", "Otto Operator"))
    first.open(f"/operator/milestones/{milestone.public_id}/suspend")
    page = first.send(reason="The bank says the statement is not theirs.")
    assert page.title == "The release is suspended"
    assert life.stage.milestone(life.offering_id, 1).state == "suspended"
    page = first.open(f"/milestones/{milestone.public_id}")
    assert "The bank says the statement is not theirs." in page.text
    first.open(f"/operator/milestones/{milestone.public_id}/resume")
    first.send(reason="It was theirs.")
    assert first.status == 403
    assert life.stage.milestone(life.offering_id, 1).state == "suspended"
    second.open(f"/operator/milestones/{milestone.public_id}/resume")
    page = second.send(reason="The bank confirmed it.")
    assert page.title == "The suspension is lifted"
    assert life.stage.milestone(life.offering_id, 1).state == "challengeable"


def test_mil_9_silent_auditors_are_replaced_by_lot_and_an_operator_only_watches(life: Life, as_: AsActor) -> None:
    milestone = life.stage.milestone(life.offering_id, 1)
    submission = life.stage.submit_evidence(life.founder, milestone.public_id)
    life.stage.attest(life.auditors[0], submission, "met")
    operator, address = as_(life.operator), f"/operator/milestones/{milestone.public_id}/replace"
    page = operator.open(address)
    assert "Accepted, has not signed" in page.text and "replaced by lot twice, by themselves" in page.text
    spare = life.stage.person("auditor", "Spare Auditor", email="spare@elsewhere.example")
    life.stage.advance_to(life.stage.milestone(life.offering_id, 1).deadline_at)
    newcomer = as_(spare)
    page = newcomer.open("/auditor")
    link = next(href for href, _text in page.links if "/auditor/appointments/" in href)
    newcomer.open(link)
    newcomer.send(answer="accept")
    assert "Review the evidence" in newcomer.open("/auditor").text
    silent = as_(life.auditors[1])
    silent.open(f"/auditor/submissions/{submission}")
    assert silent.status == 404
    # Nobody else is there at the next limit, so an operator is asked; nor is there then, and it says so.
    life.stage.advance_to(life.stage.milestone(life.offering_id, 1).deadline_at)
    operator.open(address)
    page = operator.send(reason="No answer for weeks.")
    assert page.errors == ["Nobody else is willing and independent. Approve more auditors first."]
    life.stage.person("auditor", "Another Spare", email="another@further.example")
    operator.open(address)
    page = operator.send(reason="No answer for weeks.")
    assert page.title == "Others are drawn"
    assert last_entry(life, milestone.public_id).action == "panel.drawn_again"


def test_wnd_2_the_preview_is_what_the_order_then_does(life: Life, as_: AsActor) -> None:
    operator, address = as_(life.operator), f"/operator/offerings/{life.offering_id}/wind-down"
    with life.stage.db.read() as session:
        offering = life.stage.offering(life.offering_id)
        before = progress.if_stopped_each(session, offering)
    page = operator.open(address)
    assert [each.back_minor for each in before.values()] == [85_000, 127_500, 113_305]
    for words in ("$850.00", "$1,275.00", "$1,133.05", "Investor 3"):
        assert words in page.text
    operator.send(reason="")
    assert (operator.status, life.stage.offering(life.offering_id).state) == (422, "active")
    page = operator.send(reason="The company is insolvent.")
    assert page.title == "The order is proposed"
    assert "must confirm or refuse it by" in page.text
    page = operator.open(address)
    assert ('value="confirm"' in page.source, 'value="refuse"' in page.source) == (False, True)
    second = as_(life.stage.person("operator", "Otto Second"))
    assert "Orders to end an offering" in second.open("/operator").text
    page = second.open(address)
    assert "Proposed by Olga Operator" in page.text
    assert "$1,133.05" in page.text
    second.send(verdict="refuse", reason="")
    assert (second.status, life.stage.offering(life.offering_id).state) == (422, "active")
    page = second.send(verdict="confirm")
    assert page.title == "The wind-down has begun"
    with life.stage.db.read() as session:
        rows = session.scalars(
            sa.select(EscrowStatement).where(EscrowStatement.kind == "returned").order_by(EscrowStatement.ordinal)
        ).all()
    assert [-row.amount_minor for row in rows] == [each.back_minor for each in before.values()]


@pytest.mark.databases("sqlite")
def test_ppl_1_a_decision_asks_for_a_code_on_its_page(life: Life, as_: AsActor) -> None:
    operator = as_(life.operator, second_factor=False)
    operator.open(f"/operator/offerings/{life.offering_id}/wind-down")
    assert operator.path.startswith("/account/second-factor/setup?next=")
    operator.set_up_second_factor()
    with operator.client.session_transaction() as cookie:
        del cookie["second_factor_at"]
    operator.open(f"/operator/offerings/{life.offering_id}/wind-down")
    page = operator.send(reason="The company is insolvent.", code="")
    assert page.errors == ["Enter the code that your authenticator app shows."]
    assert "The company is insolvent." in page.source
    assert life.stage.offering(life.offering_id).state == "active"


@pytest.mark.databases("sqlite")
def test_a_demo_account_is_shown_its_code_beside_the_act(life: Life, as_: AsActor) -> None:
    life.stage.db.unit_of_work(lambda session: credentials.give_demo_second_factor(
        session, user_id=life.operator.user_id, sandbox=True, now=clock.system_now()))
    operator = as_(life.operator, second_factor=False)
    page = operator.open(f"/operator/offerings/{life.offering_id}/wind-down")
    code = re.search(r"data-sandbox-code>(\d{6})<", page.source)[1]
    page = operator.send(reason="The company is insolvent.", code=code)
    assert page.title == "The order is proposed"


# -- stuck work and the float -----------------------------------------------------------------------


@pytest.mark.databases("sqlite")
def test_tim_2_quarantined_work_is_shown_and_retried(life: Life, as_: AsActor) -> None:
    def quarantine(session) -> None:
        now = clock.system_now()
        session.add(JobFailure(job="release_tranche", object_id=999_999, attempts=5, next_at=now,
                               last_error="RuntimeError('boom')", quarantined_at=now))
        outbox.enqueue(session, "notice", {"kind": "none"}, now=now, key="notice:test")
        session.flush()
        message = session.scalars(sa.select(OutboxMessage).where(OutboxMessage.key == "notice:test")).one()
        message.quarantined_at, message.last_error, message.attempts = now, "KeyError('none')", 5

    life.stage.db.unit_of_work(quarantine)
    operator = as_(life.operator)
    page = operator.open("/operator/work")
    assert "release_tranche: 999999" in page.text
    assert "RuntimeError('boom')" in page.text
    for part in ("/work/jobs/", "/work/messages/"):
        operator.open("/operator/work")
        link = next(href for href, _text in operator.page.links if part in href)
        operator.open(link)
        page = operator.send(reason="")
        assert page.errors == ["Write the reason; it is kept and shown to those it concerns."]
        page = operator.send(reason="Repaired.")
        assert "The worker tries it again within seconds." in page.text
    with life.stage.db.read() as session:
        assert session.scalars(sa.select(JobFailure)).one().quarantined_at is None
        assert session.scalars(sa.select(OutboxMessage.quarantined_at).where(OutboxMessage.key == "notice:test")).one(
            ) is None
    life.stage.db.unit_of_work(lambda session: session.execute(
        sa.delete(OutboxMessage).where(OutboxMessage.key == "notice:test")))


def test_com_1_the_float_is_funded_once(life: Life, as_: AsActor) -> None:
    operator = as_(life.operator)
    before = _float(life)
    operator.open("/operator/float")
    page = operator.send(asset="USD/2", amount="1e9")
    assert operator.status == 422
    page = operator.send(asset="USD/2", amount="250.50")
    assert page.title == "Put $250.50 behind the float?"
    assert _float(life) == before
    values = [(name, value) for name, value in page.form_to("/confirm").values if name != "reason"]
    for _time in range(2):
        page = operator.post("/operator/float/confirm", [*values, ("reason", "Card fees of March.")])
        assert page.title == "Journal: float funded"
    assert _float(life) == before + 25_050


def _float(life: Life) -> int:
    with life.stage.db.read() as session:
        return ledger.balance(session, chart.platform_cash("sandbox", "USD/2"))


@pytest.mark.databases("sqlite")
def test_only_operators_reach_the_console(life: Life, as_: AsActor) -> None:
    for actor in (life.founder, life.investors[0], life.auditors[0]):
        visitor = as_(actor)
        for address in ("/operator", "/operator/log", "/operator/ledger", "/supervisor",
                        f"/operator/offerings/{life.offering_id}"):
            visitor.open(address)
            assert visitor.status == 403, (actor.name, address)
    operator = as_(life.operator)
    for address in ("/operator/offerings/off_none", "/operator/milestones/mst_none/suspend", "/operator/decided/off_x",
                    "/operator/work/jobs/77", "/operator/ledger/account?address=x&asset=y"):
        operator.open(address)
        assert operator.status == 404, address
