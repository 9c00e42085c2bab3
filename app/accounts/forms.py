"""The forms of accounts. Words about what is wrong come from the services where they know better."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import PasswordField, RadioField, StringField, TextAreaField, ValidationError
from wtforms.validators import DataRequired, InputRequired

from app.accounts import rules
from app.forms import LineField, PlainForm, offered

ROLE_WORDS = {
    "investor": _l("Investor"),
    "founder": _l("Founder"),
    "auditor": _l("Auditor"),
    "operator": _l("Operator"),
    "supervisor": _l("Supervisor"),
}


def _open_role_field() -> RadioField:
    return RadioField(
        _l("What do you come to do?"),
        choices=offered([(role, ROLE_WORDS[role]) for role in rules.OPEN_ROLES]),
        validators=[InputRequired(_l("Choose what you come to do."))],
        validate_choice=False,  # the service refuses other roles with words of its own
    )


def _name_field() -> LineField:
    return LineField(
        _l("Your name"), most=rules.MAX_NAME_CHARACTERS, validators=[DataRequired(_l("Enter your name."))]
    )


def _email_field() -> LineField:
    return LineField(_l("Mail address"), most=254, validators=[DataRequired(_l("Enter your mail address."))])


def _new_password_field() -> PasswordField:
    return PasswordField(_l("Password"), validators=[InputRequired(_l("Choose a password."))])


class SignUpForm(PlainForm):
    """A new account."""

    role = _open_role_field()
    name = _name_field()
    email = _email_field()
    password = _new_password_field()


class SignInForm(PlainForm):
    """Address and password."""

    email = _email_field()
    password = PasswordField(_l("Password"), validators=[InputRequired(_l("Enter your password."))])


class CodeForm(PlainForm):
    """A code of the second factor, or a recovery code."""

    code = StringField(_l("Code"), validators=[InputRequired(_l("Enter the code."))])


class PasswordForm(PlainForm):
    """A new password instead of the present one."""

    current = PasswordField(
        _l("Present password"), validators=[InputRequired(_l("Enter your present password."))]
    )
    new = PasswordField(_l("New password"), validators=[InputRequired(_l("Choose a new password."))])


class RoleForm(PlainForm):
    """One more role for oneself."""

    role = _open_role_field()


class SetupForm(PlainForm):
    """The first operator."""

    token = StringField(_l("Setup token"), validators=[InputRequired(_l("Enter the setup token."))])
    name = _name_field()
    email = _email_field()
    password = _new_password_field()


class AcceptForm(PlainForm):
    """The account that an invitation is for."""

    name = _name_field()
    password = _new_password_field()


class InviteForm(PlainForm):
    """Whom to invite, as what."""

    email = _email_field()
    role = RadioField(
        _l("Role"),
        choices=offered([(role, ROLE_WORDS[role]) for role in rules.INVITED_ROLES]),
        validators=[InputRequired(_l("Choose a role."))],
        validate_choice=False,
    )


class ReasonForm(PlainForm):
    """A decision about a person, with its reason where it takes something away."""

    reason = TextAreaField(_l("Reason"))

    def validate_reason(self, field: Any) -> None:
        if len(field.data or "") > 2000:
            raise ValidationError(_l("Enter at most 2,000 characters."))


class PressForm(PlainForm):
    """A button and nothing to type; it carries the token against forged requests."""
