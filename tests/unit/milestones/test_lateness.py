"""Extensions, grace, reports and silence as pure dates (MIL-14)."""

from datetime import UTC, date, datetime, timedelta

import pytest

from milestones.lateness import (
    extension_seconds,
    failure_starts_at,
    grace_ends_at,
    missed_in_a_row,
    months_after,
    report_due_at,
)

DAY = timedelta(days=1)
STOP = datetime(2027, 6, 30, tzinfo=UTC)


def test_mil_14_an_extension_never_passes_the_plans_long_stop():
    assert extension_seconds(30 * 86_400, STOP, STOP + 90 * DAY) == 30 * 86_400
    assert extension_seconds(30 * 86_400, STOP, STOP + 10 * DAY) == 10 * 86_400
    assert extension_seconds(30 * 86_400, STOP, STOP) == 0
    assert extension_seconds(30 * 86_400, STOP, STOP - DAY) == 0


def test_mil_14_grace_begins_at_the_target_wherever_it_moved():
    assert grace_ends_at(STOP, 30) == datetime(2027, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2027, 1, 31), 3, date(2027, 4, 30)),
        (date(2027, 11, 30), 3, date(2028, 2, 29)),
        (date(2027, 12, 15), 1, date(2028, 1, 15)),
    ],
)
def test_mil_14_a_quarter_later_is_the_same_day_or_the_months_last(day, months, expected):
    assert months_after(day, months) == expected


def test_mil_14_reports_are_due_at_the_end_of_the_local_day():
    closed = datetime(2027, 1, 15, 4, 59, tzinfo=UTC)  # 14 January in New York
    first = report_due_at(closed, 3, "America/New_York")
    assert first == datetime(2027, 4, 15, 4, tzinfo=UTC)
    assert report_due_at(first, 3, "America/New_York") == datetime(2027, 7, 15, 4, tzinfo=UTC)


def test_mil_14_only_reports_missed_since_the_last_filed_one_count():
    assert missed_in_a_row(["missed", "missed", "due"]) == 2
    assert missed_in_a_row(["missed", "filed", "missed", "due"]) == 1
    assert missed_in_a_row(["missed", "missed", "filed", "due"]) == 0
    assert missed_in_a_row([]) == 0


def test_mil_14_two_missed_or_ninety_days_of_silence_after_one_start_the_days_to_failure():
    first, second = STOP, STOP + 92 * DAY
    assert failure_starts_at([], STOP) is None
    assert failure_starts_at([first, second], first - DAY) == first + 90 * DAY
    # Who gives a sign meanwhile is not silent, but two missed are two missed.
    assert failure_starts_at([first, second], first + 60 * DAY) == second
    assert failure_starts_at([first], first + 20 * DAY) == first + 110 * DAY
