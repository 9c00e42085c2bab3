"""The forms of the page of notices."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField

from app.forms import PlainForm


class ReadForm(PlainForm):
    """Marks notices read. It needs no key: marking twice is marking once."""


class MailsForm(PlainForm):
    """Which mails a person wants (PPL-4)."""

    optional_mails = BooleanField(_l("Also mail me about things that change neither my money nor my rights"))
