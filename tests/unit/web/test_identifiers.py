"""Request ids grow with time and cannot be guessed."""

from datetime import timedelta
from uuid import UUID

from pipeline.web.identifiers import request_id
from tests.factories import NOW


def test_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    made = UUID(request_id(NOW))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == int(NOW.timestamp() * 1000)


def test_ids_grow_with_time() -> None:
    ids = [request_id(NOW + timedelta(milliseconds=n)) for n in range(100)]
    assert ids == sorted(ids)


def test_all_74_other_bits_are_random() -> None:
    mask = (1 << 80) - 1
    seen_one = seen_zero = 0
    for _ in range(500):
        rest = UUID(request_id(NOW)).int & mask
        seen_one |= rest
        seen_zero |= ~rest & mask
    fixed = (0xF << 76) | (0b11 << 62)
    assert seen_one & ~fixed == mask & ~fixed
    assert seen_zero & ~fixed == mask & ~fixed
