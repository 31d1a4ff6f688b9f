"""Windows of time: whatever the zone, each minute of a week is in a window or in the rest of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.signer import limits, window
from pipeline.signer.limits import Limit

MINUTES = st.integers(0, 24 * 60 - 1)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def text(begin: int, end: int) -> str:
    return f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"


@given(begin=MINUTES, end=MINUTES, at=MOMENTS)
def test_a_moment_is_in_a_window_or_in_the_rest_of_the_day(
    begin: int, end: int, at: datetime
) -> None:
    if begin == end:
        return
    for zone in ("UTC", "Europe/Berlin", "Pacific/Auckland"):
        inside = window.holds(at, text(begin, end), None, zone)
        assert inside != window.holds(at, text(end, begin), None, zone)


@given(begin=MINUTES, end=MINUTES, at=MOMENTS)
def test_a_window_on_some_days_and_on_the_others_is_the_window(
    begin: int, end: int, at: datetime
) -> None:
    if begin == end:
        return
    hours = text(begin, end)
    some = window.holds(at, hours, ["mon", "fri"], "UTC")
    others = window.holds(at, hours, ["tue", "wed", "thu", "sat", "sun"], "UTC")
    assert (some or others) == window.holds(at, hours, None, "UTC")
    assert not (some and others)


@given(at=MOMENTS)
def test_a_limits_period_holds_its_moment(at: datetime) -> None:
    for period, span in (("hour", timedelta(hours=1)), ("day", timedelta(days=1))):
        limit = Limit(1, period)
        assert limit.begins(at) <= at < limit.ends(at)
        assert limit.ends(at) - limit.begins(at) == span
        assert limit.begins(limit.ends(at)) == limit.ends(at)


@pytest.mark.parametrize("written", ["1/hour", "1000/day", "10000000/day"])
def test_a_limit_is_written_as_it_is_read(written: str) -> None:
    assert str(limits.parse(written)) == written


@pytest.mark.parametrize(
    "wrong", ["", "1", "/hour", "-1/hour", "01/hour", "1/hours", "10000001/day"]
)
def test_what_is_no_limit_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="as in 100/hour"):
        limits.parse(wrong)
