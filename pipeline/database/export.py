"""What one side writes for the other after a restore: a JSON object a line, and in the last how many.

Who learnt from half an export what it did would take the rest for never done, and do it again.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from pipeline.errors import HttpcaError


class NotWhole(HttpcaError):
    """An export breaks off before its end."""


class _End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    end: int


_END: Final = msgspec.json.Decoder(_End)
_BEGINNING: Final = '{"end"'


def written(found: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Return the lines of an export of these objects."""
    count = 0
    for one in found:
        yield json.dumps(one, sort_keys=True)
        count += 1
    yield json.dumps({"end": count})


def _end(line: str) -> int:
    try:
        return _END.decode(line).end
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotWhole(f"the line that ends the export cannot be read: {error}") from error


def numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Return the objects of an export, as they are written, with the numbers of their lines.

    Raises:
        NotWhole: after the last of them, when that is not the end.
    """
    count, end = 0, None
    for line in lines:
        if end is not None:
            raise NotWhole(f"the export has more lines after its end, which is line {count + 1}")
        if line.startswith(_BEGINNING):
            end = _end(line)
        else:
            count += 1
            yield count, line
    if end != count:
        expected = "without the line that ends it" if end is None else f"of {end}"
        raise NotWhole(f"the export has {count} lines {expected}: write it again, whole")
