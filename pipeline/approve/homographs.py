"""Names that look like other names: labels, and words of a subject, that mix scripts or are made of
look-alikes."""

# ruff: noqa: RUF001 - letters that look like others are what this is about

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from pipeline.crypto.names import Name

_USUAL_TOGETHER: Final = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
)
"""Scripts that one language mixes (Unicode UTS #39, "highly restrictive")."""

_COMMON: Final = frozenset({"MODIFIER", "IDEOGRAPHIC"})
"""First words in the names of characters that go with several scripts: ʻ in ʻōlelo, 々 in 佐々木."""

_LOOK_ALIKES: Final = (
    ("абгԁеһіјкӏмнопԛрѕстуүԝхьҽѵӡ", "a6rdehijklmhonqpsctyywxbev3"),  # Cyrillic
    ("αβγικνορτυχω", "abyikvoptuxw"),  # Greek
    ("աօսհոցզքգւռլ", "wouhngqfqini"),  # Armenian
    ("ɑɡıɩƽʋɯ", "agii5uw"),  # Latin, outside ASCII
    ("०০੦૦௦౦೦൦๐໐ഠဝ", "oooooooooooo"),  # digits and letters of Indic and other scripts
    ("\u05e1\u05d5\u0647\u0665", "oloo"),  # Hebrew and Arabic, which would turn this line around
)
"""Letters and digits, and the ASCII characters that they look like in common fonts (from Unicode's
confusables.txt, as far as IDNA 2008 takes them)."""

_LOOKS_LIKE: Final = {
    letter: twin
    for letters, twins in _LOOK_ALIKES
    for letter, twin in zip(letters, twins, strict=True)
}


_WORD: Final = re.compile(r"[^\W_]+")


def warnings(name: Name) -> list[str]:
    """Return what an approver should know of the look of a name; mostly nothing."""
    if not name.is_idn:
        return []
    labels = name.display_host().split(".")
    return [warning for label in labels for warning in _of_label(label)]


def warnings_of_text(text: str) -> list[str]:
    """Return the same of the words of a text: case, which look-alikes are told by, does not count."""
    return [warning for word in _WORD.findall(text) for warning in _of_label(word.lower())]


def _of_label(label: str) -> Iterator[str]:
    if label.isascii():
        return
    scripts = {_script(character) for character in label if _has_script(character)} - _COMMON
    if len(scripts) > 1 and not any(scripts <= together for together in _USUAL_TOGETHER):
        mixed = " and ".join(sorted(script.capitalize() for script in scripts))
        yield f"“{label}” mixes the scripts {mixed}"
    twin = "".join(_LOOKS_LIKE.get(character, character) for character in label)
    if twin.isascii():
        yield f"“{label}” looks like “{twin}” and is another name"


def _has_script(character: str) -> bool:
    """Say whether a character belongs to a script: letters do, and digits but for those of ASCII."""
    return character.isalpha() or (character.isdecimal() and not character.isascii())


def _script(character: str) -> str:
    name = unicodedata.name(character, "UNKNOWN")
    return name.replace("-", " ").partition(" ")[0]
