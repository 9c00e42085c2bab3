"""The forms of committing and cancelling, and the signed answers that lead from one step to the next.

The answers travel in the address, so that two tabs never mix and nothing is stored before the order is
given. Every figure in them is computed again by the service.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from flask import current_app
from flask_babel import lazy_gettext as _l
from itsdangerous import BadData, URLSafeTimedSerializer
from wtforms import HiddenField, RadioField, SelectMultipleField, TextAreaField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length

from app.accounts.actor import Actor
from app.forms import AmountField, KeyedForm, PlainForm, offered
from app.idempotency import FORM_KEY_SECONDS
from app.investors import rules as investor_rules
from milestones.money import Asset

_SALT = "milestake.commit-answers"


@dataclasses.dataclass(frozen=True, slots=True)
class Answers:
    """What an investor has answered so far, in the order of the steps; what was not answered yet is empty."""

    user_id: int
    offering: str
    party_id: int
    wording_hash: str = ""
    amount_minor: int = 0
    terms_hash: str = ""

    def sign(self) -> str:
        """Return the answers for an address or a hidden field."""
        return _serializer().dumps(dataclasses.astuple(self))


def read_answers(token: str | None, actor: Actor, offering: str) -> Answers | None:
    """Return signed answers; None when they are old, altered, or another person's or offering's."""
    try:
        found = Answers(*_serializer().loads(token or "", max_age=FORM_KEY_SECONDS))
    except (BadData, TypeError):
        return None
    is_mine = found.user_id == actor.user_id and actor.acts_for(found.party_id, "investor")
    return found if is_mine and found.offering == offering else None


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt=_SALT)


class InvestorForm(PlainForm):
    """For whom, when there is a choice."""

    party = RadioField(_l("Who invests?"), coerce=int, validators=[InputRequired(_l("Choose who invests."))])

    def __init__(self, *args: Any, parties: dict[int, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if len(parties) == 1:
            self.only_party = next(iter(parties))
            del self.party
        else:
            self.only_party = None
            self.party.choices = sorted(parties.items(), key=lambda item: item[1])

    @property
    def party_id(self) -> int:
        return self.party.data if self.only_party is None else self.only_party


class AmountForm(PlainForm):
    """How much."""

    amount = AmountField(_l("Amount"))

    def __init__(self, *args: Any, asset: Asset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.amount.asset = asset


class UnderstoodForm(PlainForm):
    """Every statement of the risk wording ticked."""

    understood = SelectMultipleField(
        _l("Confirm that you understand"), coerce=int, choices=offered(list(enumerate(investor_rules.RISK_STATEMENTS))
    ))

    def validate_understood(self, field: SelectMultipleField) -> None:
        if set(field.data or ()) != set(range(len(investor_rules.RISK_STATEMENTS))):
            raise ValidationError(_l("Tick every statement to go on. If one is not true for you, leave."))


class ThinkForm(KeyedForm):
    """A press to ask for a first offer, or to go on after the time to think."""

    operation = "think"


class CommitForm(KeyedForm):
    """The binding order: what was answered, and one key for one order."""

    operation = "commit"

    answers = HiddenField()


class CancelForm(KeyedForm):
    """The wish to cancel one's commitment."""

    operation = "cancel_commitment"


class FlagForm(KeyedForm):
    """An investor's word that an update is material."""

    operation = "flag_update"

    reason = TextAreaField(
        _l("What in it matters to you?"),
        validators=[DataRequired(_l("Say what in it matters to you.")), Length(max=2000)],
    )
