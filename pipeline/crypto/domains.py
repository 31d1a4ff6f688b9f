"""The one canonical form of a DNS name (RFC 1034, 1123, 5280 section 4.2.1.6, IDNA 2008)."""

import re
from typing import Final

import idna

from pipeline.crypto.visible import visible
from pipeline.errors import N_, Refused

MAX_NAME: Final = 253
MAX_LABEL: Final = 63
"""Octets, without the trailing dot (RFC 1035 section 2.3.4)."""

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN: Final = re.compile(rf"(?:{_LABEL}\.)*(?!\d+\Z){_LABEL}")
_LETTERS_DIGITS_HYPHEN: Final = re.compile(r"[a-z0-9-]+")

EMPTY: Final = N_("A name in the CSR is empty. Remove it, or write the name that you mean.")
CONTROL: Final = N_("“%(name)s” is not a DNS name: it contains control characters. Remove them.")
NOT_ASCII: Final = N_(
    "“%(name)s” cannot be in a CSR as it is written. Write the international name in its ASCII"
    " form: “%(ascii)s”."
)
NOT_IDNA: Final = N_(
    "“%(name)s” is not a DNS name: it contains characters that no domain name can have (IDNA 2008)."
)
TOO_LONG: Final = N_("“%(name)s” is not a DNS name: it is longer than 253 characters.")
LABEL_TOO_LONG: Final = N_(
    "“%(name)s” is not a DNS name: a part between two dots is longer than 63 characters."
)
EMPTY_LABEL: Final = N_(
    "“%(name)s” is not a DNS name: there is nothing before, after or between two dots."
)
WILDCARD: Final = N_(
    "“%(name)s” is not a DNS name: a wildcard can only be the whole first part, as in"
    " “*.example.com”."
)
SHALLOW_WILDCARD: Final = N_(
    "“%(name)s” is too wide: clients accept a wildcard only above at least two parts, as in"
    " “*.example.com”."
)
UNDERSCORE: Final = N_(
    "“%(name)s” is not a host name: a certificate's DNS name cannot contain an underscore."
)
CHARACTER: Final = N_(
    "“%(name)s” is not a DNS name: only letters, digits, hyphens and dots are allowed."
)
HYPHEN: Final = N_("“%(name)s” is not a DNS name: no part may begin or end with a hyphen.")
BAD_A_LABEL: Final = N_(
    "“%(name)s” is not a DNS name: “%(label)s” is not valid in an international domain name"
    " (IDNA 2008)."
)
NUMERIC: Final = N_(
    "“%(name)s” is not a DNS name: its last part has only digits. If it is an IP address, request"
    " it as one, with IP: in place of DNS:."
)


def canonical(text: str) -> str:
    """Return a DNS name in canonical form: lower case, A-labels, no trailing dot.

    A wildcard may be the whole left-most label.

    Raises:
        Refused: ``invalid-name``, with the name and what is wrong with it.
    """
    # str.lower would turn some non-ASCII characters (the Kelvin sign) into ASCII ones.
    name = text.lower().removesuffix(".") if text.isascii() else text
    base = name.removeprefix("*.")
    wildcard = name.startswith("*.")
    plain = len(name) <= MAX_NAME and "--" not in base and _PLAIN.fullmatch(base)
    if plain and not (wildcard and "." not in base):
        return name
    _refuse_unless_name(text, name, base, wildcard)
    return name


def to_ascii(text: str) -> str:
    """Return the A-label form of a domain name that may be written with U-labels.

    Raises:
        Refused: ``invalid-name``.
    """
    if text.isascii():
        return text
    labels = [label if label in ("", "*") else _a_label(text, label) for label in text.split(".")]
    return ".".join(labels)


def to_unicode(name: str) -> str:
    """Return the U-label form of a canonical name, for people to read."""
    if "xn--" not in name:
        return name
    return ".".join(
        idna.ulabel(label) if label.startswith("xn--") else label for label in name.split(".")
    )


def _a_label(text: str, label: str) -> str:
    try:
        return idna.alabel(label.lower()).decode("ascii")
    except UnicodeError:
        raise Refused("invalid-name", NOT_IDNA, name=visible(text, 120)) from None


def _refuse_unless_name(text: str, name: str, base: str, wildcard: bool) -> None:
    """Raise the first thing that is wrong; a valid name with A-labels passes."""
    if not name:
        raise Refused("invalid-name", EMPTY)
    shown = visible(text, 120)
    if not name.isprintable() and name.isascii():
        raise Refused("invalid-name", CONTROL, name=shown)
    if not name.isascii():
        raise Refused("invalid-name", NOT_ASCII, name=shown, ascii=to_ascii(text))
    if len(name) > MAX_NAME:
        raise Refused("invalid-name", TOO_LONG, name=shown)
    if "*" in base:
        raise Refused("invalid-name", WILDCARD, name=shown)
    labels = base.split(".")
    for label in labels:
        if fault := _label_fault(label):
            raise Refused("invalid-name", fault, name=shown, label=visible(label, 70))
    if labels[-1].isdigit():
        raise Refused("invalid-name", NUMERIC, name=shown)
    if wildcard and len(labels) < 2:
        raise Refused("invalid-name", SHALLOW_WILDCARD, name=shown)


def _label_fault(label: str) -> str | None:
    if not label:
        return EMPTY_LABEL
    if len(label) > MAX_LABEL:
        return LABEL_TOO_LONG
    if "_" in label:
        return UNDERSCORE
    if not _LETTERS_DIGITS_HYPHEN.fullmatch(label):
        return CHARACTER
    if label[0] == "-" or label[-1] == "-":
        return HYPHEN
    if label[2:4] == "--":
        # Reserved LDH labels are only valid as A-labels (RFC 5890 section 2.3.1).
        try:
            idna.ulabel(label)
        except UnicodeError:
            return BAD_A_LABEL
    return None
