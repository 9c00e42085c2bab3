"""Findings of the review: what waits for a person has a way out, by two operators, with exact books (PPL-2)."""

from __future__ import annotations

import dataclasses

import pytest

from app import create_app
from app.accounts.actor import Actor
from app.audit import queries as audit
from app.errors import Conflict, Forbidden, Refused, SecondFactorNeeded
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
    """Return a payment taken back after a release, which our own money does not stand in for yet."""
    commitment_id = till.invest()
    till.life.stage.close(till.life.offering_id)
    till.life.stage.work()
    till.tell_returned(commitment_id)
    operation = till.payment(commitment_id)
    assert (operation.state, operation.failure_code) == ("needs_operator", "float_short")
    return commitment_id, operation


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
    assert till.journals("payment_returned", "advanced") == []
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
    with pytest.raises(Refused, match="cannot be decided"):
        _decide(till, till.life.operator, operation, "platform_bears")
    _decide(till, till.life.operator, operation, "stands_as_is")
    with pytest.raises(Forbidden, match="another operator"):
        _decide(till, till.life.operator, operation, "stands_as_is")
    assert till.operation(operation.id).state == "needs_operator"
    assert till.balances() == before
    second = _second(till)
    _decide(till, second, operation, "stands_as_is")
    with pytest.raises(Conflict):
        _decide(till, second, operation, "stands_as_is")


def test_two_returned_payments_both_have_to_be_settled_before_releases_resume(till: Till) -> None:
    ids = [till.invest("fee_card", 300_000, investor=number) for number in range(2)]
    for each in ids:
        till.cancel(each, investor=ids.index(each))
    first, second = (till.payment(each) for each in ids)
    # 87.30 of each was kept by the provider, and the float is empty.
    till.tell_returned(ids[0])
    till.tell_returned(ids[1])
    assert [till.operation(each.id).failure_code for each in (first, second)] == [None, "float_short"]
    till.fund(20_000)
    till.tell_returned(ids[1])
    assert till.offering().releases_stopped is None
    assert till.logged("offering.releases_resumed") == 1


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
