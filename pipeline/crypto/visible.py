"""Text from a requester, made safe to show: nothing in it can move a cursor or hide a character."""

import unicodedata
from typing import Final

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that are invisible or change how their neighbours are shown: control, format
(with the bidirectional marks), surrogate, private, unassigned, line and paragraph separators."""


def visible(text: str, limit: int = 1000) -> str:
    """Return the text with hidden characters written as ``\\x1b``, ``\\u202e``, ``\\U000e0001``.

    What is longer than ``limit`` characters is cut, with an ellipsis at the end.
    """
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escape(character) if unicodedata.category(character) in _HIDDEN else character
        for character in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
