"""The forms of paying for a commitment. Card and account numbers are never asked for here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import RadioField, SelectField, TextAreaField, ValidationError
from wtforms.validators import InputRequired

from app.forms import ActForm, AmountField, KeyedForm, LineField
from app.payments.rules import STANDS_AS_IS, Method
from milestones.money import Asset

ASK_AGAIN = "ask_again"
MAX_REASON_CHARACTERS = 2000

#: what an operator can do about an operation that waits for a person → words
DECISION_WORDS: Mapping[str, Any] = {
    ASK_AGAIN: _l("Ask the rail again: it may know more now, or the float was funded"),
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


class CardForm(ConfirmForm):
    """A pretend card, which nothing is asked of but to be the same each time."""

    holder = LineField(_l("Name on the card"), validators=[InputRequired(_l("Enter the name on the pretend card."))])
    number = LineField(_l("Number of the pretend card"), validators=[InputRequired(_l("Enter any number."))])


class TransferForm(KeyedForm):
    """What a payer tells the bank, in the sandbox: how much, and whose account it comes from."""

    operation = "send_transfer"

    amount = AmountField(_l("Amount to send"))
    holder = LineField(_l("Name of the account"), validators=[InputRequired(_l("Enter whose account it is."))])
    account = LineField(_l("Number of the account"), validators=[InputRequired(_l("Enter any number."))])

    def __init__(self, *args: Any, asset: Asset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.amount.asset = asset


class DoubtForm(ActForm):
    """What an operator decides of a payment in a doubtful name, and why."""

    operation = "decide_doubt"

    decision = RadioField(
        _l("Whose account is it?"), validators=[InputRequired(_l("Choose what follows."))]
    )
    reason = TextAreaField(_l("Reason"), validators=[InputRequired(_l("Write the reason; it is kept in the log."))])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.decision.choices = [
            ("theirs", _l("The investor’s own: it counts")),
            ("not_theirs", _l("Somebody else’s: it goes back to its sender")),
        ]


class LinkForm(ActForm):
    """What an operator decides of a contested link, and why."""

    operation = "decide_link"

    decision = RadioField(
        _l("Does the link stand?"), validators=[InputRequired(_l("Choose what follows."))]
    )
    reason = TextAreaField(_l("Reason"), validators=[InputRequired(_l("Write the reason; it is kept in the log."))])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.decision.choices = [
            ("uphold", _l("It stands: the commitment counts toward no minimum and no vote")),
            ("lift", _l("It is lifted: the investor acts on their own")),
        ]


class ReserveForm(ActForm):
    """How much of our own money to put into the reserve, or to take out of it."""

    operation = "fund_reserve"

    direction = RadioField(_l("What do you want to do?"), validators=[InputRequired(_l("Choose what to do."))])
    asset = SelectField(_l("Currency"), validate_choice=False)
    amount = AmountField(_l("Amount"))

    def __init__(self, *args: Any, assets: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.direction.choices = [("in", _l("Put money in")), ("out", _l("Take out what covers nothing"))]
        self.asset.choices = [(each, each) for each in assets]
        self.amount.asset = self.asset.data if self.asset.data in assets else assets[0]


class ClaimForm(ActForm):
    """What a company paid of what was taken back, and where our bank's statement says so."""

    operation = "pay_claim"

    amount = AmountField(_l("Amount that arrived"))
    reference = LineField(_l("Line of our bank’s statement"), validators=[InputRequired(_l("Name the line."))])

    def __init__(self, *args: Any, asset: Asset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.amount.asset = asset


class GiveUpForm(ActForm):
    """Why what a company owes is given up."""

    operation = "give_up_claim"

    reason = TextAreaField(_l("Reason"), validators=[InputRequired(_l("Write the reason; it is kept in the log."))])


class PlayForm(ActForm):
    """A pretend payer's dispute: of which payment, how much of it, and what comes of it."""

    operation = "play_dispute"

    payment = LineField(_l("Reference of the payment (opn_…)"), validators=[InputRequired(_l("Enter a reference."))])
    step = RadioField(_l("What happens?"), validators=[InputRequired(_l("Choose what happens."))])
    amount = LineField(_l("Part of it that is disputed"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.step.choices = [
            ("open", _l("Its payer disputes it")),
            ("won", _l("The rail decides for the payment")),
            ("withdrawn", _l("The payer takes the dispute back")),
            ("lost", _l("The rail decides for the payer")),
        ]


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
