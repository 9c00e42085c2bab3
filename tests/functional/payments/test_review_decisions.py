"""Findings of the review: what waits for a person has a way out, by two operators, with exact books (PPL-2)."""

from __future__ import annotations

import dataclasses

import pytest

from app import create_app
from app.accounts.actor import Actor
from app.audit import queries as audit
from app.errors import Conflict, Forbidden, Refused, SecondFactorNeeded
from app.ledger import queries as ledger
from app.payments import ports, queries, service
from app.payments.models import Operation
from tests.functional.payments.conftest import Till
from tests.functional.signed_in import signed_in


def _second(till: Till) -> Actor:
    return till.life.stage.person("operator", "Otto Operator")


def _decide(till: Till, actor: Actor, operation: Operation, decision: str, reason: str = "Asked the bank.") -> None:
    till.act(
        lambda session, now: service.decide_operation(
            session, actor=actor, operation_id=operation.public_id, decision=decision, reason=reason, now=now
        )
    )


def _returned_after_release(till: Till) -> tuple[str, Operation]:
    commitment_id = till.invest()
    till.invest(investor=1)
    till.life.stage.close(till.life.offering_id)
    till.life.stage.work()
    till.tell_returned(commitment_id)
    operation = till.payment(commitment_id)
    assert (operation.state, operation.failure_code) == ("needs_operator", "returned_after_release")
    return commitment_id, operation


def test_wnd_4_the_platform_bears_a_return_after_a_release_and_nobody_else_loses(till: Till) -> None:
    commitment_id, operation = _returned_after_release(till)
    before = till.balances()
    assert before == {"cash:sandbox:O": 850_000, "escrow:O": 850_000}
    _decide(till, till.life.operator, operation, "platform_bears")
    assert till.balances() == before
    assert till.operation(operation.id).state == "needs_operator"
    till.fund(500_000)
    _decide(till, _second(till), operation, "platform_bears")
    assert till.journals("loss_covered", "payment_returned") == [
        {"cash:sandbox:O": 500_000, "cash:sandbox:platform": -500_000},
        {"loss:platform:O": 500_000, "cash:sandbox:O": -500_000},
    ]
    assert till.balances() == {**before, "loss:platform:O": 500_000}
    assert till.operation(operation.id).state == "succeeded"
    assert [each[0] for each in till.effects(operation)] == ["cleared", "returned"]
    assert till.commitment(commitment_id).status == "held"
    assert till.offering().releases_stopped is None
    # Hearing it once more changes nothing.
    till.tell_returned(commitment_id)
    assert till.operation(operation.id).state == "succeeded"
    assert till.balances() == {**before, "loss:platform:O": 500_000}


def test_ppl_2_the_log_keeps_who_proposed_and_who_confirmed(till: Till) -> None:
    _commitment_id, operation = _returned_after_release(till)
    second = _second(till)
    _decide(till, till.life.operator, operation, "stands_as_is", "The bank says it was somebody else's.")
    _decide(till, second, operation, "stands_as_is", "So they told me.")
    entries = till.read(lambda session: audit.latest_entries(session, object_id=operation.public_id, limit=2))
    assert [(each.action, each.actor_user_id) for each in entries] == [
        ("operation.decided", second.user_id), ("operation.decision_proposed", till.life.operator.user_id)
    ]


def test_what_the_rail_reported_wrongly_stands_as_it_is(till: Till) -> None:
    _commitment_id, operation = _returned_after_release(till)
    before = till.balances()
    _decide(till, till.life.operator, operation, "stands_as_is")
    _decide(till, _second(till), operation, "stands_as_is")
    assert till.operation(operation.id).state == "succeeded"
    assert till.journals("payment_returned", "loss_covered") == []
    assert till.balances() == before
    assert till.offering().releases_stopped is None
    assert till.read(lambda session: queries.undecided_count(session, till.offering().id)) == 0


def test_ppl_2_four_eyes_and_a_second_factor(till: Till) -> None:
    _commitment_id, operation = _returned_after_release(till)
    before = till.balances()
    with pytest.raises(SecondFactorNeeded):
        _decide(till, dataclasses.replace(till.life.operator, second_factor=False), operation, "stands_as_is")
    with pytest.raises(Forbidden):
        _decide(till, till.life.founder, operation, "stands_as_is")
    with pytest.raises(Refused, match="Say why"):
        _decide(till, till.life.operator, operation, "stands_as_is", " ")
    _decide(till, till.life.operator, operation, "platform_bears")
    with pytest.raises(Forbidden, match="another operator"):
        _decide(till, till.life.operator, operation, "platform_bears")
    second = _second(till)
    with pytest.raises(Refused, match="The float does not hold"):
        _decide(till, second, operation, "platform_bears")
    # Another decision takes the place of the first, and needs another person again.
    _decide(till, second, operation, "stands_as_is")
    with pytest.raises(Forbidden, match="another operator"):
        _decide(till, second, operation, "stands_as_is")
    assert till.operation(operation.id).state == "needs_operator"
    assert till.balances() == before
    _decide(till, till.life.operator, operation, "stands_as_is")
    with pytest.raises(Conflict):
        _decide(till, second, operation, "stands_as_is")


def test_two_returned_payments_both_have_to_be_settled_before_releases_resume(till: Till) -> None:
    ids = [till.invest(amount_minor=300_000, investor=number) for number in range(2)]
    till.life.stage.close(till.life.offering_id)
    for each in ids:
        till.tell_returned(each)
    first, second = (till.payment(each) for each in ids)
    other = _second(till)
    for actor in (till.life.operator, other):
        _decide(till, actor, first, "stands_as_is")
    assert second.public_id in (till.offering().releases_stopped or "")
    for actor in (till.life.operator, other):
        _decide(till, actor, second, "stands_as_is")
    assert till.offering().releases_stopped is None
    assert till.logged("offering.releases_resumed") == 1


def test_an_offering_whose_return_was_decided_comes_to_its_end(till: Till) -> None:
    _commitment_id, operation = _returned_after_release(till)
    till.life.stage.resign(till.life.founder, till.life.offering_id, reason="We stop here.")
    till.life.stage.advance(days=1)
    assert till.offering().state == "winding_down"
    till.fund(500_000)
    second = _second(till)
    for actor in (till.life.operator, second):
        _decide(till, actor, operation, "platform_bears")
    till.life.stage.advance(days=1)
    assert till.offering().state == "wound_down"
    # Their bank gave the payer all of it already, so the rail has nothing left to refund.
    assert sorted((each.status, each.amount_minor) for each in till.refunds()) == [
        ("done", 425_000), ("unclaimed", 425_000)
    ]


def test_fault_9_a_refund_that_the_rail_contradicts_can_stay_failed(till: Till) -> None:
    till.invest()
    till.cancel(till.life.stage.invest(till.life.investors[1], till.life.offering_id, 100_000), investor=1)
    till.work("start_refunds")
    [refund] = till.operations("refund")
    request = till.claim(refund.id)
    till.act(
        lambda session, now: service.record_outcome(
            session, refund.id, request.fence, ports.Rejected("closed", "Closed."), now=now
        )
    )
    till.tell(refund.id, ports.Done("sbx", (ports.Effect(ports.DONE, 100_000, refund.created_at),)))
    before = till.balances()
    # Saying so once more, asked or not, posts nothing: the money may be on its way a second time.
    till.tell(refund.id, ports.Done("sbx", (ports.Effect(ports.DONE, 100_000, refund.created_at),)))
    till.act(
        lambda session, now: service.ask_again(
            session, actor=till.life.operator, operation_public_id=refund.public_id, reason="Is it so?", now=now
        )
    )
    assert till.operation(refund.id).state == "needs_operator"
    with pytest.raises(Refused, match="cannot be decided"):
        _decide(till, till.life.operator, refund, "platform_bears")
    for actor in (till.life.operator, _second(till)):
        _decide(till, actor, refund, "stands_as_is")
    assert till.operation(refund.id).state == "failed"
    assert till.balances() == before
    assert [(each.status, each.failures) for each in till.refunds()] == [("open", 1)]


def test_what_nobody_knows_cannot_be_decided_only_asked(till: Till) -> None:
    operation = till.start(till.commit())
    request = till.claim(operation.id)
    till.act(
        lambda session, now: service.record_outcome(
            session, operation.id, request.fence, ports.Unknown("key used twice", ask_operator=True), now=now
        )
    )
    with pytest.raises(Refused, match="cannot be decided"):
        _decide(till, till.life.operator, operation, "stands_as_is")
    assert till.operation(operation.id).state == "needs_operator"


def test_the_float_pays_exactly_the_loss(till: Till) -> None:
    _commitment_id, operation = _returned_after_release(till)
    till.fund(500_001)
    for actor in (till.life.operator, _second(till)):
        _decide(till, actor, operation, "platform_bears")
    floats = till.read(queries.floats)
    # What was earned on the release (75.00) was swept into it before.
    assert floats == {("sandbox", "USD/2"): 7_500 + 1}
    assert till.read(lambda session: [each.kind for each in ledger.journals(session, limit=2)]) == [
        "payment_returned", "loss_covered"
    ]


def test_two_operators_decide_on_the_page(till: Till) -> None:
    _commitment_id, operation = _returned_after_release(till)
    site = create_app(till.life.stage.settings, till.db)
    first, second = (signed_in(site, each) for each in (till.life.operator, _second(till)))
    assert "Decide" in first.open("/operator/payments").text
    address = f"/operator/operations/{operation.public_id}/decide"
    first.open(address)
    page = first.send(decision="stands_as_is", reason="")
    assert page.errors == ["Write the reason; it is kept in the log."]
    page = first.send(decision="stands_as_is", reason="The bank says it was somebody else's.")
    assert "Proposed. Another operator must confirm it" in page.text
    assert till.operation(operation.id).state == "needs_operator"
    assert "Another operator must confirm it." in first.open(address).text
    page = second.open(address)
    assert "Another operator proposed" in page.text
    assert "stands_as_is" in [form.value("decision") for form in page.forms]
    page = second.send(reason="So they told me.")
    assert "Decided." in page.text
    assert till.operation(operation.id).state == "succeeded"
    assert "does not wait for an operator any more" in first.open(address).text
    founder = signed_in(site, till.life.founder)
    founder.open(address)
    assert founder.status == 403
