"""The forms of paying for a commitment. Card and account numbers are never asked for here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import RadioField
from wtforms.validators import InputRequired

from app.forms import KeyedForm
from app.payments.rules import Method


class PayForm(KeyedForm):
    """How to pay."""

    operation = "start_collection"

    method = RadioField(_l("How do you want to pay?"), validators=[InputRequired(_l("Choose how to pay."))],
                        validate_choice=False)  # the service refuses others with words of its own

    def __init__(self, *args: Any, methods: Mapping[str, Method], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.method.choices = [(method.code, method.words) for method in methods.values()]


class ConfirmForm(KeyedForm):
    """The payer's word to a payment that waits for it."""

    operation = "confirm_payment"
