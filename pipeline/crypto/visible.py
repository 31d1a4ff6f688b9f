"""Text from a requester, made safe to show: nothing in it can move a cursor or hide a character."""

import unicodedata
from typing import Final

_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U00016fe4\U0001d159")


def visible(text: str, limit: int = 1000) -> str:
    """Return the text with what cannot be seen written as ``\\x1b``, ``\\u202e``, ``\\U000e0001``.

    Those are the control, format (with the bidirectional marks), surrogate, private and unassigned
    characters, and the separators of lines and paragraphs; spaces of unusual widths are kept. What
    is longer than ``limit`` characters is cut, with an ellipsis at the end.
    """
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(written_out(char) if _is_hidden(char) else char for char in text)


def is_blank(character: str) -> bool:
    """Say whether a character shows as nothing although its category is one of those that are seen."""
    return character in _BLANK or "VARIATION SELECTOR" in unicodedata.name(character, "")


def written_out(character: str) -> str:
    """Return a character as its number: ``\\x1b``, ``\\u202e``, ``\\U000e0001``."""
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _is_hidden(character: str) -> bool:
    return not character.isprintable() and unicodedata.category(character) != "Zs"
