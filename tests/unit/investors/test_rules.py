"""Spans, retries, papers and questions of investors, without a database."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest

from app.investors import rules

NINE = dt.datetime(2026, 2, 10, 9, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("failures", "last", "expected"),
    [
        (0, None, None),
        (1, NINE, None),
        # After two failures 24 hours before each new try, to the second (uk.fca appropriateness_retry).
        (2, NINE, dt.datetime(2026, 2, 11, 9, tzinfo=dt.UTC)),
        (3, NINE, dt.datetime(2026, 2, 11, 9, tzinfo=dt.UTC)),
    ],
)
def test_appropriateness_retry(failures: int, last: dt.datetime | None, expected: dt.datetime | None) -> None:
    assert rules.retry_at(failures, last) == expected


@pytest.mark.parametrize(
    ("start", "months", "expected"),
    [
        ((2024, 2, 29), 12, (2025, 2, 28)),
        ((2023, 2, 28), 12, (2024, 2, 28)),
        ((2026, 12, 31), 2, (2027, 2, 28)),
        ((2026, 8, 31), 1, (2026, 9, 30)),
        ((2025, 2, 10), 24, (2027, 2, 10)),
    ],
)
def test_anniversaries(start: tuple[int, int, int], months: int, expected: tuple[int, int, int]) -> None:
    instant = dt.datetime(*start, 9, 30, tzinfo=dt.UTC)
    assert rules.add_months(instant, months) == dt.datetime(*expected, 9, 30, tzinfo=dt.UTC)


def test_the_questions_are_about_what_they_must_be_about() -> None:
    asked = rules.QUESTIONS
    assert asked.topics == ("risk", "illiquidity", "dilution", "escrow", "cancellation")
    keys = [question.key for question in asked.questions]
    assert len(keys) == len(set(keys))
    for question in asked.questions:
        assert question.right in dict(question.answers)
        assert len(question.answers) >= 3
        assert len({words for _key, words in question.answers}) == len(question.answers)


def test_a_draw_asks_one_of_each_topic_and_is_the_same_for_the_same_seed() -> None:
    first = rules.QUESTIONS.draw("2026-1:7:1")
    assert first == rules.QUESTIONS.draw("2026-1:7:1")
    assert first != rules.QUESTIONS.draw("2026-1:7:2")
    assert {question.topic for question in first} == set(rules.QUESTIONS.topics)
    assert len(first) == len(rules.QUESTIONS.topics)


def test_where_an_answer_stands_says_nothing() -> None:
    """The right answer stands in each place about as often as in any other."""
    places: Counter[int] = Counter()
    for number in range(400):
        for question in rules.QUESTIONS.draw(f"{number}"):
            places[[key for key, _words in question.answers].index(question.right)] += 1
    assert set(places) == {0, 1, 2}
    assert min(places.values()) > 550  # of 2,000


@pytest.mark.parametrize(
    ("name", "beginning", "expected"),
    [
        ("passport.PDF", b"%PDF-1.7", "application/pdf"),
        ("me.jpeg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("me.png", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("me.png", b"%PDF-1.7", None),
        ("page.html", b"<html>", None),
        ("picture.svg", b"<svg", None),
        ("pdf", b"%PDF-1.7", None),
        ("archive.zip", b"PK\x03\x04", None),
        ("me.png", b"", None),
    ],
)
def test_papers_are_what_their_names_say(name: str, beginning: bytes, expected: str | None) -> None:
    assert rules.paper_type(name, beginning) == expected


def test_names_of_files_lose_what_could_mislead() -> None:
    assert rules.clean_filename("../../etc/pass\u202eport.pdf") == "passport.pdf"
    assert rules.clean_filename("a" * 300 + ".pdf") == "a" * 80 + ".pdf"


def test_every_category_has_a_statement_of_its_own() -> None:
    assert set(rules.CATEGORY_WORDS) == set(rules.CATEGORIES)
    hashes = {rules.hash_of(rules.declaration_wording(each)) for each in rules.CATEGORIES}
    assert len(hashes) == len(rules.CATEGORIES)


def test_legal_figures_are_no_words_of_ours() -> None:
    """The regimes hold them, dated; a statement names the rule, never its figure."""
    for name, statement in rules.CATEGORY_WORDS.values():
        assert not any(character.isdigit() for character in (name + statement).replace("12 months", ""))
