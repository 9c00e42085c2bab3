"""What somebody types who complains or asks for a second look."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import RadioField, StringField, TextAreaField, ValidationError
from wtforms.validators import InputRequired

from app.complaints import rules
from app.forms import KeyedForm, LineField, PlainForm, offered


class ComplaintForm(KeyedForm):
    """A complaint; without an account an address to answer to belongs to it."""

    operation = "complain"

    email = StringField(_l("Your mail address"))
    topic = RadioField(
        _l("What is it about?"), choices=offered([(each, _l(words)) for each, words in rules.TOPICS.items()]),
        validators=[InputRequired(_l("Choose what it is about."))],
    )
    about = LineField(_l("Reference, if you have one"), most=100)
    words = TextAreaField(_l("What happened, and what you ask for"))

    def validate_words(self, field: TextAreaField) -> None:
        _check_words(field)


class ReviewForm(PlainForm):
    """Why the answer is not accepted."""

    words = TextAreaField(_l("What the answer leaves open"))

    def validate_words(self, field: TextAreaField) -> None:
        _check_words(field)


def _check_words(field: TextAreaField) -> None:
    text = (field.data or "").strip()
    if not text:
        raise ValidationError(_("Write it down in your own words."))
    if len(text) > rules.MAX_CHARACTERS:
        raise ValidationError(_("Write at most 5,000 characters."))
