"""The style guide: one page that shows every component in every state, for the people who build pages.

Registered by the application factory in development only. It shows invented data, reads nothing and
changes nothing; the components themselves are in ``templates/macros`` and ``static/css``.
"""

from __future__ import annotations

from flask import Blueprint, render_template
from wtforms import (
    BooleanField,
    FileField,
    Form,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)

from app.forms import offered
from app.security import public

blueprint = Blueprint("styleguide", __name__, url_prefix="/styleguide")

RISKS = [
    ("lose", "I could lose all of this money"),
    ("sell", "I may not be able to sell these tokens when I want to"),
    ("dilute", "My share may be diluted by later raises"),
]
CATEGORIES = [
    ("restricted", "Restricted investor"),
    ("experienced", "Experienced investor"),
    ("professional", "Professional investor"),
]

PLAN = [
    {
        "key": "closing",
        "label": "1. Close and form the class",
        "share_bp": 2000,
        "amount": "$82,500.00",
        "state": "released",
    },
    {
        "key": "array",
        "label": "2. Array at the test site",
        "share_bp": 3000,
        "amount": "$123,750.00",
        "state": "under_review",
    },
    {
        "key": "customer",
        "label": "3. First paying customer",
        "share_bp": 3000,
        "amount": "$123,750.00",
        "state": "locked",
    },
    {"key": "iso", "label": "4. Certificate", "share_bp": 2000, "amount": "$82,500.00", "state": "locked"},
]
WOUND_DOWN = [
    {
        "key": "closing",
        "label": "1. Close and form the class",
        "share_bp": 2000,
        "amount": "$82,500.00",
        "state": "released",
    },
    {
        "key": "array",
        "label": "2. Array at the test site",
        "share_bp": 725,
        "amount": "$29,906.25",
        "state": "released",
    },
    {"key": "rest", "label": "3. Given back", "share_bp": 7275, "amount": "$300,093.75", "state": "refunded"},
]


#: While an offering is open nothing is released yet.
OPEN_PLAN = [{**part, "state": "locked"} for part in PLAN]


class SampleForm(Form):
    """One field of each kind."""

    amount = StringField("Amount in dollars")
    company = StringField("Name of the company")
    story = TextAreaField("What happened since the last report")
    country = SelectField(
        "Country", choices=offered([("us", "United States"), ("gb", "United Kingdom"), ("de", "Germany")])
    )
    category = RadioField("What kind of investor are you?", choices=offered(CATEGORIES))
    understood = SelectMultipleField("Before you commit", choices=offered(RISKS))
    agree = BooleanField("I have read the contract with this fingerprint")
    evidence = FileField("Bank statement")
    code = StringField("Code from your authenticator")


def sample_form(with_errors: bool) -> SampleForm:
    """Build the sample form as it looks filled in, or as it comes back with errors."""
    form = SampleForm(
        data={
            "amount": "8000" if with_errors else "5,000",
            "company": "Halden Tidal",
            "country": "gb",
            "understood": ["sell"],
        }
    )
    if with_errors:
        form.amount.errors = ["Enter $5,200 or less: your yearly limit has $5,200 left"]
        form.understood.errors = ["Tick every sentence to show that you understand it"]
        form.category.errors = ["Choose what kind of investor you are"]
        form.country.errors = ["Choose the country you pay tax in"]
        form.agree.errors = ["Tick the box once you have read the contract"]
    return form


@blueprint.get("/")
@public
def index() -> str:
    """Show everything on one page."""
    return render_template(
        "styleguide/index.html",
        plan=PLAN,
        wound_down=WOUND_DOWN,
        sample=sample_form(False),
        wrong_sample=sample_form(True),
    )


@blueprint.get("/<name>")
@public
def page(name: str) -> str:
    """Show one page pattern: ``question``, ``offering``, ``portfolio`` or ``done``."""
    known = {"question", "offering", "portfolio", "done"}
    shown = name if name in known else "offering"
    return render_template(
        f"styleguide/{shown}.html",
        plan=OPEN_PLAN if shown == "offering" else PLAN,
        form=sample_form(True) if shown == "question" else None,
    )
