"""Fields take exactly what they say, and words tell what would be taken."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app import idempotency
from app.accounts.actor import Actor
from app.errors import Conflict, NotFound, Refused
from app.forms import AmountField, DateField, KeyedForm, LineField, PriceField, WholeNumberField

ACTOR = Actor(user_id=7)


class Sample(KeyedForm):
    operation = "sample.do"

    amount = AmountField("Amount", asset="USD/2")
    price = PriceField("Price", optional=True)
    day = DateField("Day", optional=True)
    count = WholeNumberField("Count", least=1, most=5000, optional=True)
    line = LineField("Line", most=10)


@pytest.fixture
def send(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)

    def sent(**typed: str) -> Sample:
        with app.app_context():
            key = typed.pop("form_key", None) or idempotency.new_form_key(ACTOR, "sample.do")
        context = app.test_request_context("/", method="POST", data={"amount": "1", "form_key": key, **typed})
        context.push()
        contexts.append(context)
        form = Sample(actor=ACTOR)
        form.validate_on_submit()
        return form

    contexts: list[Any] = []
    yield sent
    for context in reversed(contexts):
        context.pop()


@pytest.mark.parametrize(("typed", "minor"), [("1250.50", 125050), ("1,250.5", 125050), (" 7 ", 700), ("0.01", 1)])
def test_amounts_are_minor_units(send: Any, typed: str, minor: int) -> None:
    form = send(amount=typed)
    assert form.errors == {}
    assert form.amount.data == minor


@pytest.mark.parametrize("typed", ["1e9", "-5", "0.005", "１００", "", "1.2.3", "12,34", "0x10", "1 000", "NaN"])
def test_amounts_that_are_none_are_refused_and_kept(send: Any, typed: str) -> None:
    form = send(amount=typed)
    assert len(form.amount.errors) == 1
    assert form.amount.data is None
    assert form.amount._value() == typed
    assert form.status == 422


@pytest.mark.parametrize("typed", ["2027-02-30", "04.03.2027", "2027-3-4", "２０２７-03-04", "tomorrow"])
def test_days_are_iso_only(send: Any, typed: str) -> None:
    form = send(day=typed)
    assert form.day.errors
    assert form.day._value() == typed


@pytest.mark.parametrize("typed", ["0", "5001", "-1", "1.0", "1e3", "５", "1_000", "9" * 400])
def test_whole_numbers_are_digits_in_range(send: Any, typed: str) -> None:
    assert send(count=typed).count.errors


def test_right_values_are_exact(send: Any) -> None:
    form = send(day="2027-02-28", count="5000", price="0.000123", line="  a \t b ")
    assert form.errors == {}
    assert form.day.data == dt.date(2027, 2, 28)
    assert form.count.data == 5000
    assert form.price.data == 123
    assert form.line.data == "a b"
    assert form.key


def test_a_stale_key_is_said_and_replaced(send: Any) -> None:
    form = send(form_key="made-up")
    assert form.key == ""
    (words,) = form.form_key.errors
    assert "nothing was done" in words
    assert idempotency.read_form_key(form.form_key.data, ACTOR, "sample.do")


def test_the_key_stays_while_a_form_is_corrected(send: Any) -> None:
    first = send(amount="x")
    again = send(amount="1", form_key=first.form_key.data)
    assert again.key == first.key != ""


def test_errors_of_services_go_to_their_field_or_the_box(send: Any) -> None:
    form = send()
    form.show_error(Refused("Too much.", field="amount"))
    form.show_error(Conflict("Changed meanwhile."))
    assert form.amount.errors == ["Too much."]
    assert form.form_errors == ["Changed meanwhile."]
    assert form.status == 409
    with pytest.raises(NotFound):
        form.show_error(NotFound("No such thing."))
