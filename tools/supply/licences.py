"""Licences: may what HttpCA needs be used beside code under the MIT licence?"""

import re
from collections.abc import Iterable, Iterator
from email.message import Message
from importlib.metadata import PackageNotFoundError, metadata
from typing import Final, cast

ALLOWED: Final = re.compile(
    r"MIT|MIT-0|BSD|BSD[ -][23]-Clause( License)?|BSD License|Apache[- ]2\.0|Apache Software License"
    r"|MIT License|PSF-2\.0|MPL-2\.0|Zope Public License|Public Domain|LGPL-3\.0-only"
    r"|GNU Lesser General Public License v3 or later \(LGPLv3\+\)"
)
"""Permissive ones; and those that ask for something only of who changes the package itself (MPL, LGPL):
HttpCA uses such packages as they are, as files of their own."""

_JOINED: Final = re.compile(r" (?:OR|AND) ")


def problems(names: Iterable[str]) -> Iterator[str]:
    """Yield the packages whose licence is unknown or not allowed."""
    for name in names:
        try:
            found = licences(
                cast(Message, metadata(name))
            )  # of Python 3.11, it says less of itself
        except PackageNotFoundError:
            yield f"{name} is in the lock and not installed; run `make dev`"
            continue
        if not found or not all(ALLOWED.fullmatch(one) for one in found):
            stated = ", ".join(found) or "(none stated)"
            yield f"{name} has the licence {stated}: look at it, then allow it"


def licences(stated: Message) -> list[str]:
    """Return what a package states, by the newest way in which it does (PEP 639 first)."""
    if expression := stated.get("License-Expression"):
        return _JOINED.split(expression)
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in stated.get_all("Classifier", [])
        if line.startswith("License :: ")
    ]
    text = stated.get("License") or ""
    return classifiers or ([text] if text else [])
