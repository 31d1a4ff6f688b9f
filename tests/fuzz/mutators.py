"""Changes that keep the form of an input, so that it gets past the first check."""

import json
from random import Random
from typing import Any, Final

from tests.fuzz.target import Mutator

_NUMBERS: Final = (0, -1, 1, 127, 255, 2**31 - 1, 2**31, 2**53, 2**63, 2**64, 10**30, 1e308, -0.5)
_TEXTS: Final = (
    "",
    "\0",
    "\n",
    "a" * 300,
    "\u202e",
    "é",
    "\U0001f511",
    "..",
    "*",
    "xn--",
    "%00",
    "2026-05-17T12:30:15Z",
    "9999-12-31T23:59:59Z",
    "AAAA",
    "[bold]",
    "<q>",
    "'\"`",
)


def octets(source: bytes, random: Random) -> bytes:
    """Change, insert, remove, repeat or swap some octets."""
    changed = bytearray(source)
    for _ in range(random.randint(1, 4)):
        at = random.randint(0, len(changed))
        end = min(len(changed), at + random.choice((1, 1, 2, 4, 16)))
        match random.randrange(5):
            case 0:
                changed[at:end] = random.randbytes(end - at)
            case 1:
                changed[at:at] = random.randbytes(random.choice((1, 1, 2, 8)))
            case 2:
                del changed[at:end]
            case 3:
                changed[at:at] = changed[at:end]
            case _:
                if at < len(changed):
                    changed[at] ^= 1 << random.randrange(8)
    return bytes(changed)


def der(source: bytes, random: Random) -> bytes:
    """Change one element of DER and write the lengths around it anew."""
    return _der(source, random, random.randint(0, 12))


def _der(source: bytes, random: Random, depth: int) -> bytes:
    elements = _elements(source)
    if not elements or depth == 0:
        return octets(source, random)
    at = random.randrange(len(elements))
    tag, content = elements[at]
    match random.randrange(12):
        case 0:
            elements.insert(at, elements[at])
        case 1:
            del elements[at]
        case 2:
            random.shuffle(elements)
        case 3:
            elements[at] = (
                random.choice((2, 3, 4, 5, 6, 12, 19, 22, 23, 24, 48, 49, 160)),
                content,
            )
        case _:
            elements[at] = (tag, _der(content, random, depth - 1))
    return b"".join(bytes((tag,)) + _length(len(content)) + content for tag, content in elements)


def _length(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    written = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(written),)) + written


def _elements(source: bytes) -> list[tuple[int, bytes]]:
    """Return tag and content of elements that fill the octets; none when they are something else."""
    found = []
    at = 0
    while at < len(source):
        tag, start = source[at], at + 2
        if start > len(source):
            return []
        length = source[at + 1]
        if length >= 0x80:
            count = length & 0x7F
            length = int.from_bytes(source[start : start + count], "big")
            start += count
        if start + length > len(source):
            return []
        found.append((tag, source[start : start + length]))
        at = start + length
    return found


def json_value(source: bytes, random: Random) -> bytes:
    """Change one value of JSON and write it in the form of our messages."""
    try:
        found = json.loads(source)
    except (ValueError, RecursionError):
        return octets(source, random)
    return _written(_value(found, random))


def compact(source: bytes) -> bytes:
    """Return JSON in the form of our messages."""
    return _written(json.loads(source))


def _written(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def _value(value: Any, random: Random) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        match random.randrange(12):
            case 0:
                return {other: one for other, one in value.items() if other != key}
            case 1:
                return value | {random.choice(_TEXTS): value[key]}
            case _:
                return value | {key: _value(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.9:
        at = random.randrange(len(value))
        match random.randrange(8):
            case 0:
                return value + [value[at]] * random.choice((1, 2, 600))
            case 1:
                return value[:at] + value[at + 1 :]
            case _:
                return [*value[:at], _value(value[at], random), *value[at + 1 :]]
    if isinstance(value, str) and value and random.random() < 0.6:
        return octets(value.encode("utf-8", "surrogatepass"), random).decode("utf-8", "replace")
    return random.choice(
        (None, True, [], {}, [[[]]], random.choice(_NUMBERS), random.choice(_TEXTS), str(value))
    )


def after_byte(inner: Mutator) -> Mutator:
    """Return a mutator for inputs whose first octet chooses a door and the rest is the input."""

    def mutate(source: bytes, random: Random) -> bytes:
        first = random.randbytes(1) if random.random() < 0.05 else source[:1]
        return first + inner(source[1:], random)

    return mutate


def lines(source: bytes, random: Random) -> bytes:
    """Change, repeat, drop or move a line, or something in it."""
    found = source.split(b"\n")
    at = random.randrange(len(found))
    match random.randrange(8):
        case 0:
            found.insert(at, random.choice(found))
        case 1 if len(found) > 1:
            del found[at]
        case 2:
            random.shuffle(found)
        case 3 | 4:
            key, separator, _ = found[at].partition(b"=")
            value = random.choice(
                (
                    json.dumps(random.choice(_TEXTS)).encode(),
                    json.dumps([random.choice(_TEXTS)]).encode(),
                    json.dumps(random.choice(_NUMBERS)).encode(),
                    b"true",
                    b"[]",
                    b"{}",
                    b"[[]]",
                    b"2026-05-17",
                    b"nan",
                    b"0x" + b"f" * 20,
                )
            )
            found[at] = key + separator + b" " + value
        case _:
            found[at] = octets(found[at], random)
    return b"\n".join(found)
