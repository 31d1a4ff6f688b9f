from datetime import timedelta

import pytest

from pipeline.crypto import durations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("12h", timedelta(hours=12)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(days=14)),
        ("1y", timedelta(days=365)),
        ("0s", timedelta(0)),
    ],
)
def test_a_number_and_a_unit_is_a_duration(text: str, expected: timedelta) -> None:
    assert durations.parse(text) == expected


@pytest.mark.parametrize("text", ["", "90", "d", "-5m", "1.5h", "5 m", "5M", "1h30m", "٣d", "5m\n"])
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="write a whole number and s, m, h, d, w or y"):
        durations.parse(text)


def test_more_than_a_century_is_refused() -> None:
    with pytest.raises(ValueError, match="100y is the most"):
        durations.parse("999999999y")
