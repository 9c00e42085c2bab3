"""The forms of paying for a commitment. Card and account numbers are never asked for here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import RadioField, TextAreaField, ValidationError
from wtforms.validators import InputRequired

from app.forms import ActForm, KeyedForm
from app.payments.rules import PLATFORM_BEARS, STANDS_AS_IS, Method

ASK_AGAIN = "ask_again"
MAX_REASON_CHARACTERS = 2000

#: what an operator can do about an operation that waits for a person → words
DECISION_WORDS: Mapping[str, Any] = {
    ASK_AGAIN: _l("Ask the rail again: it may know more now, or the float was funded"),
    PLATFORM_BEARS: _l("Milestake bears the loss: the float replaces the money, nobody else loses anything"),
    STANDS_AS_IS: _l("What the rail reported was wrong: nothing moved, and all stands as it is"),
}


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


class DecideForm(ActForm):
    """What an operator proposes or confirms about an operation, and why."""

    operation = "decide_operation"

    decision = RadioField(_l("What follows?"), validators=[InputRequired(_l("Choose what follows."))],
                          validate_choice=False)  # the service refuses others with words of its own
    reason = TextAreaField(_l("Reason"))

    def __init__(self, *args: Any, possible: Sequence[str], proposed: str | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.words = DECISION_WORDS
        self.decision.choices = [(code, DECISION_WORDS[code]) for code in (ASK_AGAIN, *possible)]
        if proposed is not None and not self.is_submitted():
            self.decision.data = proposed

    def validate_reason(self, field: TextAreaField) -> None:
        if not (field.data or "").strip():
            raise ValidationError(_("Write the reason; it is kept in the log."))
        if len(field.data) > MAX_REASON_CHARACTERS:
            raise ValidationError(_("Enter at most 2,000 characters."))
