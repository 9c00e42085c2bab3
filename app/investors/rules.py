"""What is asked of an investor before money may be committed: categories, spans, reasons, kinds of papers. Pure.

The figures are defaults of the platform. Which investors a regime admits and how much each may commit is
``app.regimes``; what was declared, answered and decided is in ``models``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

#: Kinds of investor that regimes speak of, from the most to the least looked after.
CATEGORIES = ("retail", "restricted", "high_net_worth", "sophisticated", "accredited", "professional")

#: The platform's own; every regime's record says the same today.
DECLARATION_MONTHS = 12
UNDERSTANDING_MONTHS = 12
VERIFICATION_MONTHS = 12
#: A verification that runs out is told of this long before.
EXPIRY_NOTICE_DAYS = 30
DECISION_BUSINESS_DAYS = 3

#: After so many failures in a row, each further try waits this long (uk.fca appropriateness_retry).
FREE_FAILURES = 2
RETRY_AFTER_HOURS = 24

VERIFICATION_STATES = ("none", "pending", "verified", "expired", "refused")


def hash_of(wording: str) -> str:
    """Return the SHA-256 of a wording as it was shown, in UTF-8."""
    return hashlib.sha256(wording.encode()).hexdigest()


def add_months(instant: dt.datetime, months: int) -> dt.datetime:
    """Return the same day and time so many months later; 29 February becomes the 28th (regimes.md §0)."""
    years, month = divmod(instant.month - 1 + months, 12)
    year = instant.year + years
    for day in (instant.day, 30, 29, 28):
        try:
            return instant.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise AssertionError("every month has a 28th")


def retry_at(failures: int, last_failed_at: dt.datetime | None) -> dt.datetime | None:
    """Return from when the questions may be tried again after so many failures in a row, None for at once."""
    if last_failed_at is None or failures < FREE_FAILURES:
        return None
    return last_failed_at + dt.timedelta(hours=RETRY_AFTER_HOURS)


#: Why an operator did not verify somebody: code → what the person is told to do.
REFUSAL_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "document_unreadable": "We could not read the document. Send a sharper picture or scan of the whole page.",
        "document_expired": "The document has run out. Send one that is still in force.",
        "document_kind": "The document is not one we can take. Send a passport, an identity card or a driving licence.",
        "name_differs": "The name on the document differs from the one you gave. Send both alike.",
        "address_differs": "The address on the proof differs from the one you gave. Send both alike.",
        "authority_missing": "We could not see that you may act for this company. Send a paper that says so.",
        "not_served": "We do not serve investors in your country.",
        "other": "Read what the operator wrote, and send a new request.",
    }
)

# -- what people confirm ----------------------------------------------------------------------------

#: What an investor confirms before each commitment, one statement each.
RISK_STATEMENTS = (
    "I could lose all of this money.",
    "I may not be able to sell these tokens when I want to.",
    "My share may be diluted by later offerings.",
    "Money leaves escrow as independent auditors attest milestones, and what is unreleased goes back to me if the "
    "plan fails.",
)
RISK_WORDING = " ".join(RISK_STATEMENTS)
#: The hash of the wording is stored with the commitment and with its acknowledgement.
RISK_WORDING_HASH = hash_of(RISK_WORDING)

#: Shown in the investor's name before the first offer under rules with time to think (COBS 4.12A).
COOLING_WORDING = (
    "This is a high-risk investment. How would you feel if you lost the money you’re about to invest?"
)
COOLING_WORDING_HASH = hash_of(COOLING_WORDING)
COOLING_REQUESTED, COOLING_CHOSEN = "cooling_requested", "cooling_chosen"

#: What an investor agrees to once, before the first commitment, and may withdraw.
DELIVERY_WORDING = (
    "Milestake sends me notices, terms and statements electronically only: by mail to the address of my account and on "
    "these pages. I can open and keep such documents. I may withdraw this at any time; from then on I can make no new "
    "commitment. What I hold stays as it is, and its notices still come by mail."
)
DELIVERY_WORDING_HASH = hash_of(DELIVERY_WORDING)
DELIVERY_KINDS = DELIVERY_AGREED, DELIVERY_WITHDRAWN = "delivery_agreed", "delivery_withdrawn"

#: category → its name, and what a person states who chooses it. Figures are the regimes', so none stands here.
CATEGORY_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "retail": (
            "Everyday investor",
            "None of the other descriptions is true for me. This is right for most people.",
        ),
        "restricted": (
            "Restricted investor",
            "In the past 12 months I put less than a tenth of my net assets into high-risk investments, and in the "
            "next 12 months I will put less than a tenth of them into such investments. I state both percentages here.",
        ),
        "high_net_worth": (
            "High net worth investor",
            "My income or my net assets reach what the rules of my country ask of a high net worth investor.",
        ),
        "sophisticated": (
            "Sophisticated investor",
            "By my work or my earlier investments I meet what the rules of my country ask of a sophisticated investor, "
            "and I know that I then get fewer warnings and limits.",
        ),
        "accredited": (
            "Accredited investor (United States)",
            "By my income, my net worth or my licence I am an accredited investor under the rules of the United "
            "States.",
        ),
        "professional": (
            "Professional investor",
            "I invest for a living or for a firm that does, and count as a professional client in my country.",
        ),
    }
)
DECLARED_TRUE = (
    "What I state here is true. I will state it anew when it changes. Milestake uses it to work out how much I may "
    "commit, and may ask me to show it."
)


def declaration_wording(category: str) -> str:
    """Return all that a person confirms who declares this category."""
    name, statement = CATEGORY_WORDS[category]
    return f"{name}. {statement} {DECLARED_TRUE}"


def restricted_wording(invested_bp: int, intends_bp: int) -> str:
    """Return all that a restricted investor confirms, with the percentages of net assets that they stated."""
    stated = "{} Put in over the past 12 months: {} %. To be put in over the next 12 months: {} %."
    return stated.format(declaration_wording("restricted"), format_percent(invested_bp), format_percent(intends_bp))


def format_percent(share_bp: int) -> str:
    """Return basis points in percent without zeros that say nothing: 950 is 9.5."""
    whole, rest = divmod(share_bp, 100)
    return f"{whole}.{rest:02}".rstrip("0").rstrip(".")


# -- the papers -------------------------------------------------------------------------------------

MAX_PAPER_BYTES = 10 * 1024 * 1024
MAX_PAPERS = 6

#: Kinds of papers; those of ``IDENTITY_KINDS`` show who somebody is.
PAPER_KINDS = ("passport", "identity_card", "driving_licence", "proof_of_address")
IDENTITY_KINDS = PAPER_KINDS[:3]

#: ending → (media type, how such a file begins). Anything else is refused.
PAPER_TYPES: Mapping[str, tuple[str, bytes]] = MappingProxyType(
    {
        "pdf": ("application/pdf", b"%PDF-"),
        "png": ("image/png", b"\x89PNG\r\n\x1a\n"),
        "jpg": ("image/jpeg", b"\xff\xd8\xff"),
        "jpeg": ("image/jpeg", b"\xff\xd8\xff"),
    }
)
#: What a browser may show by itself; everything else is downloaded.
SHOWN_TYPES = ("image/png", "image/jpeg")


def paper_type(filename: str, beginning: bytes) -> str | None:
    """Return a file's media type when its ending is taken and its first bytes agree with it, else None."""
    media_type, signature = PAPER_TYPES.get(filename.rpartition(".")[2].casefold(), ("", b""))
    return media_type if media_type and "." in filename and beginning.startswith(signature) else None


def clean_filename(text: str) -> str:
    """Return the last part of a path as a name: NFC, without control characters, at most 100 characters."""
    name = unicodedata.normalize("NFC", text.replace("\\", "/").rpartition("/")[2])
    name = "".join(each for each in name if unicodedata.category(each)[0] != "C").strip()
    stem, dot, ending = name.rpartition(".")
    return f"{stem[:80]}{dot}{ending[:19]}" if dot else name[:100]


# -- the questions ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question:
    """One question with its answers, as (key, words); ``right`` never leaves the server."""

    key: str
    topic: str
    text: str
    answers: tuple[tuple[str, str], ...]
    right: str


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """A version of the questions. Each try asks one of every topic; all must be answered rightly."""

    version: str
    questions: tuple[Question, ...]

    @property
    def topics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(question.topic for question in self.questions))

    def draw(self, seed: str) -> tuple[Question, ...]:
        """Return one question of each topic, questions and answers in an order of this try's own.

        The same seed gives the same draw, so that a form that was sent is read as it was shown.
        """
        picked = [
            min((each for each in self.questions if each.topic == topic), key=lambda each: _place(seed, each.key))
            for topic in self.topics
        ]
        return tuple(
            dataclasses.replace(
                each, answers=tuple(sorted(each.answers, key=lambda answer: _place(seed, each.key, answer[0])))
            )
            for each in sorted(picked, key=lambda each: _place(seed, "order", each.key))
        )


def _place(*parts: str) -> str:
    return hash_of("\n".join(parts))


def read_questions(text: str) -> QuestionSet:
    """Read a set from its JSON; each question has exactly one right answer."""
    document = json.loads(text)
    questions = []
    for row in document["questions"]:
        (right,) = [answer["key"] for answer in row["answers"] if answer.get("right")]
        answers = tuple((answer["key"], answer["text"]) for answer in row["answers"])
        questions.append(Question(row["key"], row["topic"], row["text"], answers, right))
    return QuestionSet(document["version"], tuple(questions))


#: The set that is asked now. An older one's pass no longer counts: who passed it has not read the newer words.
QUESTIONS = read_questions((Path(__file__).parent / "understanding" / "2026-1.json").read_text("utf-8"))
