"""The common pieces of forms: a key for each form, and fields that take exactly what they say.

Which fields a form has, and what they mean, is each feature's ``forms.py``.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import Field, Form, HiddenField, StringField, ValidationError
from wtforms.fields import SelectChoice
from wtforms.widgets import DateInput, TextInput

from app import idempotency, security
from app.accounts.actor import Actor
from app.errors import Conflict, Forbidden, InvariantBroken, MilestakeError, NotFound, SecondFactorNeeded
from milestones.money import Asset, MoneyError, format_amount, format_price, parse_amount, parse_price

_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,19}")

#: Errors that are pages of their own, never words in a form.
_PAGES = (NotFound, Forbidden, SecondFactorNeeded, InvariantBroken)


def offered(pairs: Iterable[tuple[Any, Any]]) -> list[SelectChoice]:
    """Return the choices of a field, each given as its value and its words."""
    return [SelectChoice(value, words) for value, words in pairs]


class PlainForm(FlaskForm):
    """A form whose errors, ours and the services', are shown at the field or in the box on top."""

    #: The status to answer with when the form is shown again: ``render_template(…), form.status``.
    status = 200

    def validate(self, extra_validators: Any = None) -> bool:
        right = super().validate(extra_validators)
        if not right:
            self.status = 422
        return right

    def show_error(self, error: MilestakeError) -> None:
        """Put a service's error at its field, or into the box when it has none.

        Errors that are pages of their own (not found, forbidden, second factor) are raised again.
        """
        if isinstance(error, _PAGES):
            raise error
        self.status = error.status
        field = self._fields.get(error.field or "")
        if field is None:
            self.form_errors.append(error.message)
        else:
            field.errors = [*field.errors, error.message]


class KeyedForm(PlainForm):
    """A form for one binding act: it carries a key, and the same key acts once (COM-1).

    Subclasses set ``operation``; views pass ``actor=`` and hand ``form.key`` to the service. The key
    stays the same while the form is corrected; a stale form gets a new one with its error.
    """

    operation = ""

    form_key = HiddenField()

    def __init__(self, *args: Any, actor: Actor, operation: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.actor = actor
        self.operation = operation or type(self).operation
        self.key = ""
        if not self.is_submitted() or kwargs.get("formdata", True) is None:
            self.form_key.data = idempotency.new_form_key(actor, self.operation)

    def validate_form_key(self, field: HiddenField) -> None:
        try:
            self.key = idempotency.read_form_key(field.data, self.actor, self.operation)
        except Conflict as error:
            field.data = idempotency.new_form_key(self.actor, self.operation)
            raise ValidationError(error.message) from None


class ActForm(KeyedForm):
    """A binding act that needs a second factor (PPL-1).

    The code is asked for beside the act when none is fresh, so that nothing typed is lost on the way. Views
    call :meth:`prove` first and act as the actor that it returns.
    """

    code = StringField(_l("Code from your authenticator app"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        who = security.signed_in()
        if self.needs_code and (who is None or not who.has_second_factor):
            raise SecondFactorNeeded(_("Set up a second factor first: this act needs a code."))

    @property
    def needs_code(self) -> bool:
        """Whether no second factor was given within the last 15 minutes."""
        return not self.actor.second_factor

    @property
    def demo_code(self) -> str | None:
        """What a demo account may type here; None for real accounts."""
        return security.demo_code() if self.needs_code else None

    def prove(self) -> Actor:
        """Take the typed code where one is needed and return who acts; raises ``Refused`` at ``code``."""
        if self.needs_code:
            self.actor = security.accept_code(self.code.data or "")
        return self.actor


class LineField(StringField):
    """One line of text: trimmed, one space between words, NFC, no control characters."""

    def __init__(self, label: Any = None, validators: Any = None, *, most: int = 200, **kwargs: Any) -> None:
        super().__init__(label, validators, **kwargs)
        self.most = most

    def process_formdata(self, valuelist: list[str]) -> None:
        if valuelist:
            self.data = " ".join(unicodedata.normalize("NFC", valuelist[0]).split())

    def pre_validate(self, form: Form) -> None:  # noqa: ARG002 - WTForms' signature
        text = self.data or ""
        if len(text) > self.most:
            raise ValidationError(_("Enter at most %(most)d characters.", most=self.most))
        if any(unicodedata.category(character) in ("Cc", "Cs", "Cn") for character in text):
            raise ValidationError(_("Enter plain text, without control characters."))


class TypedField(Field):
    """A field that keeps what was typed until it is read exactly, in ``pre_validate``.

    ``data`` is None until then and when the text was wrong; ``optional`` fields may be left empty.
    """

    widget = TextInput()
    empty_words = _l("Fill this in.")

    def __init__(self, label: Any = None, validators: Any = None, *, optional: bool = False, **kwargs: Any) -> None:
        super().__init__(label, validators, **kwargs)
        self.may_be_empty = optional
        self.typed: str | None = None

    def process_formdata(self, valuelist: list[str]) -> None:
        if valuelist:
            self.typed = valuelist[0].strip(" \t\r\n")
            self.data = None

    def pre_validate(self, form: Form) -> None:  # noqa: ARG002 - WTForms' signature
        if not self.typed:
            if self.may_be_empty:
                return
            raise ValidationError(str(self.empty_words))
        self.data = self.read(self.typed)

    def read(self, text: str) -> Any:
        """Return the value of ``text`` or raise ``ValidationError`` with words for a person."""
        raise NotImplementedError

    def write(self, value: Any) -> str:
        """Return ``value`` as it would be typed."""
        return str(value)

    def _value(self) -> str:
        if self.typed is not None:
            return self.typed
        return "" if self.data is None else self.write(self.data)


class AmountField(TypedField):
    """An amount of one asset; ``data`` is in minor units.

    ``asset`` (an ``Asset`` or ``"USD/2"``) may also be set on the field before the form is validated.
    """

    empty_words = _l("Enter an amount.")

    def __init__(
        self, label: Any = None, validators: Any = None, *, asset: Asset | str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(label, validators, **kwargs)
        self.asset = asset

    def read(self, text: str) -> int:
        try:
            return parse_amount(text, self._asset())
        except MoneyError as error:
            raise ValidationError(error.message) from None

    def write(self, value: int) -> str:
        return format_amount(value, self._asset())

    def _asset(self) -> Asset:
        if self.asset is None:
            raise RuntimeError("an amount field needs its asset before it is read")
        return Asset.parse(self.asset) if isinstance(self.asset, str) else self.asset


class PercentField(AmountField):
    """A share in percent with at most two decimals; ``data`` is in basis points."""

    empty_words = _l("Enter a share in percent, such as 12.5.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, asset=Asset("PERCENT", 2), **kwargs)


class PriceField(TypedField):
    """A price per token, exact to 6 places; ``data`` is ``price_micro`` (OFF-1)."""

    empty_words = _l("Enter a price, such as 1.25.")

    def read(self, text: str) -> int:
        try:
            return parse_price(text)
        except MoneyError as error:
            raise ValidationError(error.message) from None

    def write(self, value: int) -> str:
        return format_price(value)


class DateField(TypedField):
    """A day, as YYYY-MM-DD and nothing else."""

    widget = DateInput()
    empty_words = _l("Enter a date as YYYY-MM-DD.")

    def read(self, text: str) -> dt.date:
        if _ISO_DATE.fullmatch(text):
            try:
                return dt.date.fromisoformat(text)
            except ValueError:
                raise ValidationError(_("There is no such day. Enter a date as YYYY-MM-DD.")) from None
        raise ValidationError(_("Enter a date as YYYY-MM-DD."))

    def write(self, value: dt.date) -> str:
        return value.isoformat()


class WholeNumberField(TypedField):
    """A whole number in the digits 0 to 9, without sign or separators, from ``least`` to ``most``."""

    empty_words = _l("Enter a whole number.")

    def __init__(
        self,
        label: Any = None,
        validators: Any = None,
        *,
        least: int = 0,
        most: int = 9_000_000_000_000_000_000,
        **kwargs: Any,
    ) -> None:
        super().__init__(label, validators, **kwargs)
        self.least = least
        self.most = most

    def read(self, text: str) -> int:
        if not _WHOLE_NUMBER.fullmatch(text):
            raise ValidationError(_("Enter a whole number with the digits 0 to 9 only."))
        number = int(text)
        if not self.least <= number <= self.most:
            raise ValidationError(
                _("Enter a whole number from %(least)s to %(most)s.", least=f"{self.least:,}", most=f"{self.most:,}")
            )
        return number


def read_file(
    field: FileField, clean: Callable[[str], str], type_of: Callable[[str, bytes], str | None], most_bytes: int
) -> tuple[str, str]:
    """Return a sent paper's clean name and its media type; raises ``ValidationError`` for what is no such paper.

    ``type_of`` judges a name and the first bytes and returns None for anything but PDF, PNG and JPEG.
    """
    stream = field.data.stream
    size = stream.seek(0, 2)
    stream.seek(0)
    if size == 0:
        raise ValidationError(_("This file is empty. Choose the file again."))
    if size > most_bytes:
        megabytes = most_bytes >> 20
        raise ValidationError(_("This file is larger than %(size)s MB. Save it smaller.", size=megabytes))
    beginning = stream.read(16)
    stream.seek(0)
    filename = clean(field.data.filename)
    media_type = type_of(filename, beginning)
    if media_type is None:
        raise ValidationError(_("Choose a PDF, PNG or JPEG file that is what its name says."))
    return filename, media_type
