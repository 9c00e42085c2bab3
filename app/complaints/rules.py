"""What can be complained of, and by when it is answered (PPL-7). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ANSWER_BUSINESS_DAYS = 15
REVIEW_BUSINESS_DAYS = 10
MAX_CHARACTERS = 5000

#: Kinds of complaints, as a person chooses them.
TOPICS: Mapping[str, str] = MappingProxyType(
    {
        "money": "A payment, a refund or money in escrow",
        "offering": "An offering, a company or what it says",
        "verification": "The check of who I am",
        "decision": "A decision of Milestake or of an auditor",
        "site": "How this site works",
        "other": "Something else",
    }
)
