"""What is asked of an investor before money may be committed: categories, spans, reasons, kinds of papers. Pure.

The figures are defaults of the platform. Which investors a regime admits and how much each may commit is
``app.regimes``; what was declared, answered and decided is in ``models``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from types import MappingProxyType

#: Kinds of investor that regimes speak of, from the most to the least looked after.
CATEGORIES = ("retail", "restricted", "high_net_worth", "sophisticated", "accredited", "professional")

DECLARATION_MONTHS = 12
UNDERSTANDING_MONTHS = 12
VERIFICATION_MONTHS = 24
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
