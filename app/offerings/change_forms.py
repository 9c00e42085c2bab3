"""The forms of changing a live offering: every field at once, the check of it, and updates."""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from typing import Any

from flask import current_app, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from itsdangerous import BadData, URLSafeTimedSerializer
from wtforms import FileField, HiddenField, RadioField, TextAreaField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length

from app.accounts.actor import Actor
from app.contracts import importing
from app.contracts.queries import ContractFileError
from app.forms import ActForm, AmountField, DateField, KeyedForm, LineField, PlainForm, PriceField, offered
from app.idempotency import FORM_KEY_SECONDS
from app.offerings import change_shapes_views, rules, updates, versions
from app.offerings.changes import Proposed
from app.offerings.forms import LONG_TEXT, TimeField
from app.offerings.models import Offering
from milestones import document as documents
from milestones import money, offer

_SALT = "milestake.change"
_LONG = Length(max=LONG_TEXT, message=_l("Enter at most %(max)d characters."))
_USE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)\s*%?\s+(.{1,120})")
_PERCENT = money.Asset("PERCENT", 2)


class UsesField(TextAreaField):
    """What the proceeds are used for: a line each, percent first; ``data`` stays the text, ``uses`` is read."""

    def pre_validate(self, form: Any) -> None:  # noqa: ARG002 - WTForms' signature
        self.uses = []
        for line in (self.data or "").splitlines():
            if not line.strip():
                continue
            match = _USE.fullmatch(line.strip())
            if match is None:
                raise ValidationError(_("Write each use on a line of its own, percent first: 40 Product development."))
            text = unicodedata.normalize("NFC", " ".join(match[2].split()))
            share = money.parse_amount(match[1], _PERCENT)
            self.uses.append({"key": offer.use_key(text), "text": text, "share_bp": share})


class Disclosed:
    """What a company discloses beside its story: fields that a draft and a change share."""

    use_of_proceeds = UsesField(_l("Use of the proceeds"), validators=[_LONG])
    officers = TextAreaField(_l("Officers"), validators=[_LONG])
    litigation = TextAreaField(_l("Litigation"), validators=[_LONG])
    insolvency = TextAreaField(_l("Insolvency"), validators=[_LONG])
    financial_statements = TextAreaField(_l("Financial statements"), validators=[_LONG])

    def told(self) -> dict[str, Any]:
        """Return what was typed; only after validation."""
        texts = {
            name: (getattr(self, name).data or "").strip().replace("\r\n", "\n")
            for name in versions.DISCLOSURES if name != "use_of_proceeds"
        }
        return {**texts, "use_of_proceeds": self.use_of_proceeds.uses}

    def show(self, offering: Offering) -> None:
        """Fill the fields in as the offering has them."""
        told = versions.disclosures_of(offering)
        for name in versions.DISCLOSURES:
            uses = change_shapes_views.uses_text(told[name]) if name == "use_of_proceeds" else None
            getattr(self, name).data = told[name] if uses is None else uses


class DiscloseForm(Disclosed, KeyedForm):
    """What a draft discloses; everything may be left empty."""

    operation = "change_disclosures"

    def __init__(self, *args: Any, offering: Offering, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_submitted():
            self.show(offering)


class ChangeForm(Disclosed, PlainForm):
    """Everything of an open offering that can change, filled in as it stands."""

    price = PriceField(_l("Price of one token"))
    minimum = AmountField(_l("Minimum: below it everybody is refunded"))
    target = AmountField(_l("Target"))
    maximum = AmountField(_l("Maximum: a hard stop"))
    minimum_ticket = AmountField(_l("Smallest commitment"))
    deadline = DateField(_l("Last day"))
    deadline_time = TimeField(_l("Time of day"))
    rights = TextAreaField(_l("Rights of a token"), validators=[_LONG])
    name = LineField(_l("Name of the offering"), most=80, validators=[DataRequired(_l("Enter a name."))])
    pitch = LineField(_l("What it is about, in one sentence"), most=160)
    sector = LineField(_l("Sector"), most=60)
    story = TextAreaField(_l("Story"), validators=[_LONG])
    risks = TextAreaField(_l("Risks, in your own words"), validators=[_LONG])
    contract = FileField(_l("Changed contract as YAML or JSON"))
    reason = TextAreaField(
        _l("Why you change this"),
        validators=[DataRequired(_l("Say why; everybody who committed reads it.")), Length(max=2000)],
    )

    def __init__(self, *args: Any, offering: Offering, rights: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offering = offering
        for field in (self.minimum, self.target, self.maximum, self.minimum_ticket):
            field.asset = offering.currency
        if not self.is_submitted():
            self._prefill(offering, rights)

    def _prefill(self, offering: Offering, rights: str) -> None:
        local = offering.deadline_at.astimezone(zoneinfo.ZoneInfo(offering.zone))
        self.show(offering)
        known = {
            "price": offering.price_micro, "minimum": offering.minimum_minor, "target": offering.target_minor,
            "maximum": offering.maximum_minor, "minimum_ticket": offering.minimum_ticket_minor,
            "deadline": local.date(), "deadline_time": local.time().replace(
                second=0, microsecond=0), "rights": rights,
            **{name: getattr(offering, name) for name in versions.TEXTS},
        }
        for name, value in known.items():
            self[name].data = value

    def proposed(self) -> Proposed:
        """Return what was typed as a proposal; only after validation. Raises ``ContractFileError``."""
        offering = self.offering
        zone = zoneinfo.ZoneInfo(offering.zone)
        local = offering.deadline_at.astimezone(zone)
        typed = local.replace(
            year=self.deadline.data.year, month=self.deadline.data.month, day=self.deadline.data.day,
            hour=self.deadline_time.data.hour, minute=self.deadline_time.data.minute, second=0, microsecond=0,
        )
        # A page shows minutes: a deadline whose seconds nobody touched stays as it is.
        same = typed == local.replace(second=0, microsecond=0)
        fields = rules.OfferingFields(
            **{name: (self[name].data or "").replace("\r\n", "\n") for name in versions.TEXTS},
            currency=offering.currency, price_micro=self.price.data, minimum_minor=self.minimum.data,
            target_minor=self.target.data, maximum_minor=self.maximum.data,
            minimum_ticket_minor=self.minimum_ticket.data, fee_bp=offering.fee_bp, zone=offering.zone,
            calendar=offering.calendar, rail=offering.rail,
            deadline_at=offering.deadline_at if same else typed.astimezone(zoneinfo.ZoneInfo("UTC")),
        )
        return Proposed(
            fields=fields, rights=(self.rights.data or "").replace("\r\n", "\n"),
            disclosures=self.told(), document=self._contract(),
        )

    def _contract(self) -> dict[str, Any] | None:
        file = request.files.get("contract")
        content = file.stream.read(importing.MAX_BYTES + 1) if file else b""
        if not content:
            return None
        try:
            return documents.to_document(importing.read_contract(content).terms)
        except ContractFileError as error:
            self.status = error.status
            self.contract.errors = [each.message for each in error.problems][:3]
            raise


class CheckForm(ActForm):
    """The checked proposal, signed, with one key for one act."""

    operation = "propose_change"

    proposal = HiddenField()


def sign(actor: Actor, offering_id: str, patch: Any, base_number: int, reason: str) -> str:
    """Return a proposal for a hidden field."""
    return _serializer().dumps([actor.user_id, offering_id, patch, base_number, reason])


def read(token: str | None, actor: Actor, offering_id: str) -> tuple[dict[str, Any], int, str] | None:
    """Return a signed proposal; None when it is old, altered, or another person's or offering's."""
    try:
        user_id, offering, patch, base_number, reason = _serializer().loads(token or "", max_age=FORM_KEY_SECONDS)
    except (BadData, ValueError):
        return None
    return (patch, base_number, reason) if (user_id, offering) == (actor.user_id, offering_id) else None


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt=_SALT)


class UpdateForm(KeyedForm):
    """What a founder tells everybody."""

    operation = "post_update"

    kind = RadioField(
        _l("What is it about?"),
        choices=offered([
            ("progress", _l("Progress")), ("money", _l("Money")), ("material", _l("Material for who invests")),
        ]),
        validators=[InputRequired(_l("Choose what it is about."))],
    )
    title = LineField(_l("Title"), most=updates.MOST_TITLE, validators=[DataRequired(_l("Enter a title."))])
    text = TextAreaField(
        _l("What happened"), validators=[DataRequired(_l("Write what happened.")), Length(max=updates.MOST_TEXT)]
    )
