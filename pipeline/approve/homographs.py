"""Names that look like other names: labels of mixed scripts, and labels made of look-alikes."""

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

_LOOKS_LIKE: Final = dict(
    zip(
        "абсԁеһіјкӏмнорԛѕтуԝхьгпαβγικνορτυχωɑɡıƽοօսհոցզ",
        "a6cdehijklmhopqstywxbrnabyiknoptuxwagi5oouhngq",
        strict=True,
    )
)
"""Letters that look like an ASCII letter in common fonts (from Unicode's confusables.txt)."""


def warnings(name: Name) -> list[str]:
    """Return what an approver should know of the look of a name; mostly nothing."""
    if not name.is_idn:
        return []
    host = name.display().rpartition("@")[2]
    return [warning for label in host.split(".") for warning in _of_label(label)]


def _of_label(label: str) -> Iterator[str]:
    if label.isascii():
        return
    scripts = {_script(character) for character in label if character.isalpha()}
    if len(scripts) > 1 and not any(scripts <= together for together in _USUAL_TOGETHER):
        mixed = " and ".join(sorted(script.capitalize() for script in scripts))
        yield f"“{label}” mixes the scripts {mixed}"
    twin = "".join(_LOOKS_LIKE.get(character, character) for character in label)
    if twin.isascii():
        yield f"“{label}” looks like “{twin}” and is another name"


def _script(character: str) -> str:
    name = unicodedata.name(character, "UNKNOWN")
    return name.replace("-", " ").partition(" ")[0]
