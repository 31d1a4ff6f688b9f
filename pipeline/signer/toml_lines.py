"""On which line of a TOML file a key stands, for errors. tomllib does not tell."""

import re
from typing import Final

_HEADER: Final = re.compile(r"\s*(?P<array>\[)?\[\s*(?P<name>[^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY: Final = re.compile(r"""\s*(?P<key>[A-Za-z0-9_\-]+|"[^"]*"|'[^']*')\s*=""")


def line_of(text: str, table: str, index: int | None, key: str | None) -> int | None:
    """Return the line (from 1) of a key, or of its table's header where the key is not found.

    ``table`` is a header such as ``profiles.server``, or empty for the top of the file; ``index``
    counts from 0 among headers of an array of tables. A key written in an inline table or with dots
    is not found; then the answer is the header's line or None.
    """
    inside = table == ""
    header_line: int | None = None
    seen = -1
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.fullmatch(line)
        if header is not None:
            if inside and header_line is not None:
                return header_line
            name = ".".join(part.strip().strip("\"'") for part in header["name"].split("."))
            seen += name == table
            inside = name == table and (index is None or seen == index)
            header_line = number if inside else None
        elif inside and key is not None:
            found = _KEY.match(line)
            if found is not None and found["key"].strip("\"'") == key:
                return number
    return header_line
