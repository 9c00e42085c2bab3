"""What founders and auditors type: a file of evidence, a statement, findings, an answer to an appointment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from wtforms import BooleanField, HiddenField, RadioField, SelectField, TextAreaField, ValidationError
from wtforms.validators import InputRequired

from app.forms import ActForm, PlainForm, offered
from app.progress import rules
from milestones import verdict as verdicts
from milestones.terms import Criterion

MAX_NOTE_CHARACTERS = 2000
MAX_STATEMENT_CHARACTERS = 10_000


class PressForm(PlainForm):
    """A button and nothing to type."""


class EvidenceForm(PlainForm):
    """One file and the kind of evidence it is. ``media_type`` and ``size_bytes`` are known once it validated."""

    kind = SelectField(_l("What it is evidence of"), validators=[InputRequired(_l("Choose what the file shows."))],
                       validate_choice=False)
    file = FileField(_l("File"))

    media_type = ""
    filename = ""

    def __init__(self, *args: Any, kinds: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind.choices = [(kind, kind_words(kind)) for kind in kinds]

    def validate_kind(self, field: SelectField) -> None:
        if field.data not in [value for value, _words in field.choices]:
            raise ValidationError(_("Choose one of the kinds that the contract asks for."))

    def validate_file(self, field: FileField) -> None:
        if not field.data or not field.data.filename:
            raise ValidationError(_("Choose a file."))
        self.filename = rules.clean_filename(field.data.filename)
        media_type = rules.media_type_of(self.filename)
        if media_type is None:
            endings = ", ".join(rules.MEDIA_TYPES)
            raise ValidationError(_("Choose a file that ends in one of: %(endings)s.", endings=endings))
        stream = field.data.stream
        size = stream.seek(0, 2)
        if size > rules.MAX_FILE_BYTES:
            raise ValidationError(
                _("This file has %(size)s; the most is 20 MB. Split it or save it smaller.", size=size_text(size))
            )
        if size == 0:
            raise ValidationError(_("This file is empty. Choose the file again."))
        if not rules.is_what_it_says(media_type, stream):
            raise ValidationError(
                _("The content of this file is not what its ending says. Save it again in the right format.")
            )
        self.media_type = media_type


class StatementForm(PlainForm):
    """What was done, and the founder's statement that it is true."""

    statement = TextAreaField(
        _l("What was done"), validators=[InputRequired(_l("Describe what was done, in words an auditor can check."))]
    )
    confirmed = BooleanField(rules.FOUNDER_STATEMENT)

    def validate_statement(self, field: TextAreaField) -> None:
        if len(field.data or "") > MAX_STATEMENT_CHARACTERS:
            raise ValidationError(_("Enter at most 10,000 characters."))
        if not (field.data or "").strip():
            raise ValidationError(_("Describe what was done, in words an auditor can check."))

    def validate_confirmed(self, field: BooleanField) -> None:
        if not field.data:
            raise ValidationError(_("Confirm the statement; without it nothing can be handed in."))


class SubmitForm(ActForm):
    """The statement once more, hidden, to hand in."""

    operation = "submit_evidence"

    statement = HiddenField()


class AnswerForm(PlainForm):
    """Accept or decline an appointment."""

    answer = RadioField(
        _l("Your answer"), choices=offered([("accept", _l("I accept")), ("decline", _l("I decline"))]),
        validators=[InputRequired(_l("Choose whether you accept."))], validate_choice=False,
    )

    def validate_answer(self, field: RadioField) -> None:
        if field.data not in ("accept", "decline"):
            raise ValidationError(_("Choose whether you accept."))


RESULT_WORDS = {
    verdicts.MET: _l("Met"), verdicts.PARTLY: _l("Partly met"), verdicts.NOT_MET: _l("Not met"),
    verdicts.CANNOT_TELL: _l("Cannot tell"),
}


class _Findings:
    """What both forms of findings can do: read themselves as values of the engine."""

    criteria: tuple[Criterion, ...] = ()

    def findings(self) -> list[verdicts.Finding]:
        """Return what was answered; partly carries its share, met is 100 percent, the others 0."""
        found = []
        for number, criterion in enumerate(self.criteria):
            result = self[f"result_{number}"].data  # type: ignore[index]
            share = self[f"share_{number}"].data  # type: ignore[index]
            if result == verdicts.PARTLY:
                share_pct = int(share) if str(share).isascii() and str(share).isdigit() else 0
            else:
                share_pct = verdicts.WHOLE_PCT if result == verdicts.MET else 0
            note = (self[f"note_{number}"].data or "").strip()  # type: ignore[index]
            found.append(verdicts.Finding(criterion.key, str(result), share_pct, note))
        return found


def findings_form(criteria: Sequence[Criterion]) -> PlainForm:
    """Return the checklist: for each criterion a result, a share where it is partly met, and a note."""
    fields: dict[str, Any] = {"criteria": tuple(criteria)}
    for number, _criterion in enumerate(criteria):
        fields[f"result_{number}"] = RadioField(
            _l("Your finding"), choices=offered(list(RESULT_WORDS.items())), validate_choice=False,
            validators=[InputRequired(_l("Choose a finding for criterion %(number)s.", number=number + 1))],
        )
        fields[f"share_{number}"] = SelectField(
            _l("If partly: how much"), validate_choice=False, default="50",
            choices=offered([(str(share), f"{share} %") for share in verdicts.PARTLY_STEPS_PCT]),
        )
        fields[f"note_{number}"] = TextAreaField(_l("Note"), validators=[_short_note])
    return type("FindingsForm", (_Findings, PlainForm), fields)()


def sign_form(criteria: Sequence[Criterion], **kwargs: Any) -> ActForm:
    """Return the same answers, hidden, to sign."""
    fields: dict[str, Any] = {"criteria": tuple(criteria), "operation": "attest"}
    for number, _criterion in enumerate(criteria):
        for name in ("result", "share", "note"):
            fields[f"{name}_{number}"] = HiddenField()
    return type("SignForm", (_Findings, ActForm), fields)(**kwargs)


def _short_note(_form: PlainForm, field: TextAreaField) -> None:
    if len(field.data or "") > MAX_NOTE_CHARACTERS:
        raise ValidationError(_("Enter at most 2,000 characters."))


def kind_words(kind: str) -> str:
    """Return a kind of evidence as people read it: ``bank_statement`` is “bank statement”."""
    return kind.replace("_", " ")


def size_text(size_bytes: int) -> str:
    """Return a size with its unit: bytes, kB or MB, one decimal, rounded down."""
    for unit, word in ((1_000_000, "MB"), (1_000, "kB")):
        if size_bytes >= unit:
            return f"{size_bytes // unit}.{size_bytes % unit * 10 // unit} {word}"
    return f"{size_bytes} B"
