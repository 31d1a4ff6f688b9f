"""Text that somebody else wrote, for the terminal: what could mislead an eye is written out.

Beyond ``visible`` (control, format and bidirectional characters): letters that show as nothing,
unusual spaces, and marks piled upon each other or upon nothing.
"""

import unicodedata
from typing import Final

from pipeline.crypto.visible import is_blank, visible, written_out

_MARKS: Final = frozenset({"Mn", "Me", "Mc"})
MAX_MARKS: Final = 2
"""Marks that one letter may carry; Vietnamese needs two."""


def harmless(text: str, limit: int = 1000) -> str:
    """Return the text on one line, with everything written out that hides or disguises itself."""
    text = visible(text, limit)
    if text.isascii():
        return text
    shown: list[str] = []
    marks = MAX_MARKS  # a mark at the very beginning has no letter to stand on
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        odd_space = category == "Zs" and character != " "
        if is_blank(character) or odd_space or marks > MAX_MARKS:
            shown.append(written_out(character))
        else:
            shown.append(character)
    return "".join(shown)


def whole(text: str) -> str:
    """Return the same of a text that is never cut, however long it is: it will be signed."""
    return harmless(text, len(text))
