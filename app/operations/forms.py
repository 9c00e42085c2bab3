"""What operators and the demo clock's users type."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from wtforms import HiddenField, RadioField, SelectField, TextAreaField, ValidationError
from wtforms.validators import InputRequired

from app.blobs import BlobStore
from app.complaints.rules import MAX_CHARACTERS
from app.forms import ActForm, AmountField, DateField, LineField, PlainForm, offered, read_file
from app.investors.rules import MAX_PAPER_BYTES, REFUSAL_REASONS, clean_filename, paper_type
from app.progress import authority

MAX_REASON_CHARACTERS = 2000


class PressForm(PlainForm):
    """A button and nothing to type."""


class ReasonForm(ActForm):
    """A decision with its reason and, where it is needed, a code."""

    reason = TextAreaField(_l("Reason"))

    def validate_reason(self, field: TextAreaField) -> None:
        if not (field.data or "").strip():
            raise ValidationError(_("Write the reason; it is kept and shown to those it concerns."))
        if len(field.data) > MAX_REASON_CHARACTERS:
            raise ValidationError(_("Enter at most 2,000 characters."))


class NoteForm(ReasonForm):
    """A decision whose reason may be left out."""

    reason = TextAreaField(_l("Reason"))

    def validate_reason(self, field: TextAreaField) -> None:
        if len(field.data or "") > MAX_REASON_CHARACTERS:
            raise ValidationError(_("Enter at most 2,000 characters."))


class AuthorityForm(ReasonForm):
    """A decision with a reason and, where there is one, an authority's order: its reference and its document."""

    order_reference = LineField(_l("Reference of an authority's order"), most=200)
    order_file = FileField(_l("Its document"))

    filename = ""
    media_type = ""

    def validate_order_file(self, field: FileField) -> None:
        if field.data and field.data.filename:
            self.filename, self.media_type = read_file(field, clean_filename, paper_type, MAX_PAPER_BYTES)
            if not (self.order_reference.data or "").strip():
                raise ValidationError(_("Enter the order's reference, too."))
        elif (self.order_reference.data or "").strip():
            raise ValidationError(_("Choose the document of the order."))

    def document(self, blobs: BlobStore) -> authority.Document | None:
        """Store the document's bytes and return what is told of it; None when none was sent."""
        if not self.filename:
            return None
        sha256, size = blobs.put(self.order_file.data.stream)
        return authority.Document(self.order_reference.data or "", self.filename, self.media_type, sha256, size)


class VerifyForm(ActForm):
    """A person is who they say; good until the end of a day."""

    operation = "verify_person"

    expires_on = DateField(_l("Good until the end of"))


class RefusePersonForm(ActForm):
    """Why a person is not verified, in words that say what to do."""

    operation = "refuse_person"

    reason_code = RadioField(
        _l("Why is it refused?"), choices=offered([(code, _l(words)) for code, words in REFUSAL_REASONS.items()]),
        validators=[InputRequired(_l("Choose why it is refused."))],
    )
    note = TextAreaField(_l("What you add for this person"))

    def validate_note(self, field: TextAreaField) -> None:
        if len(field.data or "") > 1000:
            raise ValidationError(_("Enter at most 1,000 characters."))


class AnswerForm(ActForm):
    """An answer to a complaint."""

    operation = "answer_complaint"

    words = TextAreaField(_l("Your answer"))

    def validate_words(self, field: TextAreaField) -> None:
        if not (field.data or "").strip():
            raise ValidationError(_("Write an answer."))
        if len(field.data) > MAX_CHARACTERS:
            raise ValidationError(_("Write at most 5,000 characters."))


class DrawForm(ActForm):
    """Let the lot seat the auditors of one milestone: nobody is chosen."""

    operation = "draw_panel"


class AmountForm(PlainForm):
    """An amount of our own money to put behind the float."""

    asset = SelectField(_l("Currency"), validators=[InputRequired(_l("Choose a currency."))], validate_choice=False)
    amount = AmountField(_l("Amount"))

    def __init__(self, *args: Any, assets: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asset.choices = [(asset, asset.partition("/")[0]) for asset in assets]
        chosen = self.asset.data if self.asset.data in assets else assets[0]
        self.amount.asset = chosen

    def validate_asset(self, field: SelectField) -> None:
        if field.data not in [value for value, _words in field.choices]:
            raise ValidationError(_("Choose a currency."))


class FundForm(ReasonForm):
    """The checked amount once more, hidden, with the reason."""

    operation = "fund_float"

    asset = HiddenField()
    amount_minor = HiddenField()


class StepForm(PlainForm):
    """How far to move the demo clock: whole seconds."""

    seconds = HiddenField()


class DrawAgainForm(ReasonForm):
    """Have others drawn for those who were silent, with a reason."""

    operation = "draw_again"
