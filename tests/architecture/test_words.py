"""Words that a page must not say (product.md): promises nobody can make, and blame."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

BANNED = ("protected", "safe", "guaranteed", "risk-free", "vetted", "invalid")

#: Jinja's own words and attributes of HTML are no words of the page.
CODE = re.compile(r"\{#.*?#\}|<!--.*?-->|\|\s*safe\b|aria-invalid|:invalid|safe-area-inset", re.S)
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*") if path.suffix in {".html", ".txt", ".xml"})


def banned_words(text: str) -> list[str]:
    """Return the banned words of a template in the order they stand, comments and filters left out."""
    shown = CODE.sub(" ", text)
    return re.findall(rf"(?<![\w-])(?:{'|'.join(BANNED)})(?![\w-])", shown, re.IGNORECASE)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_says_no_banned_word(path: Path) -> None:
    assert banned_words(path.read_text()) == []


def test_a_page_has_no_inline_style_or_script() -> None:
    """The content security policy would block it, so it would fail silently in a browser."""
    inline = re.compile(r"\sstyle\s*=|<style|\son[a-z]+\s*=|<script(?![^>]*\bsrc=)[^>]*>", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}: {match.group().strip()}"
        for path in TEMPLATES if "emails" not in path.parts
        for match in inline.finditer(CODE.sub(" ", path.read_text()))
    ]
    assert not found, found


#: A percent sign in words to be translated that neither begins a name nor is written twice: the page fails.
_LONE_PERCENT = re.compile(r"""_\('(?:[^'%]|%%|%\()*%(?![%(])""")


def test_a_percent_sign_in_words_is_written_twice() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group(0)}"
        for path in TEMPLATES for match in _LONE_PERCENT.finditer(path.read_text("utf-8"))
    ]
    assert not found, found
    assert _LONE_PERCENT.search("_('At most 20 %.')")
    assert not _LONE_PERCENT.search("_('At most 20 %% of %(name)s.')")


def test_the_guard_sees_what_it_must() -> None:
    assert banned_words("Your money is Safe.") == ["Safe"]
    assert banned_words("{{ page|safe }} {# an invalid state #} <input aria-invalid='true'>") == []
