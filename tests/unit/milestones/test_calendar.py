"""Business days and windows: same wall time, holidays left out, clock changes kept right (TIM-1)."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milestones.calendar import (
    CalendarError,
    add_business_days,
    business_day_after,
    is_business_day,
    window_end,
)

NEW_YORK = "America/New_York"


def local(*parts, zone=NEW_YORK):
    return datetime(*parts, tzinfo=ZoneInfo(zone))


def test_tim_1_weekends_and_holidays_do_not_count():
    thanksgiving = {date(2027, 11, 25)}
    wednesday = local(2027, 11, 24, 15, 30)
    assert add_business_days(wednesday, 1, thanksgiving, NEW_YORK) == local(2027, 11, 26, 15, 30)
    assert add_business_days(wednesday, 2, thanksgiving, NEW_YORK) == local(2027, 11, 29, 15, 30)
    assert add_business_days(wednesday, 0, thanksgiving, NEW_YORK) == wednesday
    saturday = local(2027, 11, 27, 9)
    assert add_business_days(saturday, 1, set(), NEW_YORK) == local(2027, 11, 29, 9)


def test_tim_1_the_day_is_counted_in_the_contracts_zone():
    # Friday evening in New York is Saturday in UTC: the next business day is Monday either way, at local wall time.
    start = datetime(2027, 1, 9, 2, tzinfo=UTC)
    assert add_business_days(start, 1, set(), NEW_YORK) == datetime(2027, 1, 12, 2, tzinfo=UTC)
    assert add_business_days(start, 1, set(), "UTC") == datetime(2027, 1, 11, 2, tzinfo=UTC)


def test_tim_1_clock_changes_keep_the_wall_time():
    friday_before = local(2027, 3, 12, 12)
    after = add_business_days(friday_before, 1, set(), NEW_YORK)
    assert after == local(2027, 3, 15, 12)
    assert after - friday_before == timedelta(days=3, hours=-1)
    autumn = local(2027, 11, 5, 12)
    assert add_business_days(autumn, 1, set(), NEW_YORK) - autumn == timedelta(days=3, hours=1)


def test_tim_1_results_are_in_utc():
    assert add_business_days(local(2027, 7, 1, 12), 1, set(), NEW_YORK).tzinfo is UTC


def test_tim_1_a_challenge_window_is_never_under_seven_calendar_days():
    monday = local(2027, 3, 1, 10)
    assert window_end(monday, 5, set(), NEW_YORK) == local(2027, 3, 8, 10)
    assert window_end(monday, 3, set(), NEW_YORK) == local(2027, 3, 4, 10)
    assert window_end(monday, 3, set(), NEW_YORK, min_calendar_days=7) == local(2027, 3, 8, 10)
    # Across the change of 14 March, seven calendar days end at the same wall time.
    assert window_end(local(2027, 3, 10, 10), 1, set(), NEW_YORK, 7) == local(2027, 3, 17, 10)


def test_tim_1_times_without_a_zone_and_counting_backwards_are_refused():
    with pytest.raises(CalendarError) as refused:
        add_business_days(datetime(2027, 1, 1), 1, set(), "UTC")  # noqa: DTZ001 - the point of the test
    assert refused.value.code == "time_without_zone"
    with pytest.raises(CalendarError) as refused:
        business_day_after(date(2027, 1, 1), -1, set())
    assert refused.value.code == "business_days_negative"


def test_tim_1_a_calendar_that_never_opens_is_refused():
    start = date(2027, 1, 1)
    with pytest.raises(CalendarError) as refused:
        business_day_after(start, 1, {start + timedelta(days=i) for i in range(400)})
    assert refused.value.code == "calendar_never_opens"


days = st.dates(date(2025, 1, 1), date(2035, 1, 1))


@given(days, st.integers(0, 30), st.sets(days, max_size=30))
def test_tim_1_exactly_n_business_days_lie_between(start, n, holidays):
    end = business_day_after(start, n, holidays)
    between = [start + timedelta(days=i) for i in range(1, (end - start).days + 1)]
    assert sum(is_business_day(day, holidays) for day in between) == n
    assert n == 0 or is_business_day(end, holidays)
