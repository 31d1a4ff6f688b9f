"""The shape of a certificate: all that a lint's answer can depend on, without what is only its own.

Two certificates of one shape have the same profile, issuer and kind of key, the same attributes in
their subjects, the same kinds of name, and names that are made of the same classes of characters and
about as long and as many. They differ in serial number, key, and the letters of their names.
"""

import re
from bisect import bisect_left
from collections.abc import Hashable
from datetime import datetime
from typing import Final

from cryptography import x509

from pipeline.crypto.csr import Csr
from pipeline.crypto.profile import Profile
from pipeline.signer.issuer import Issuer

Shape = Hashable

_LETTERS: Final = re.compile(r"[0-9A-Za-z]+")
_LENGTHS: Final = (0, 1, 2, 3, 16, 32, 63, 64, 128, 253, 1000)
_COUNTS: Final = (0, 1, 2, 10, 100, 1000)
_GENERALIZED_TIME: Final = 2050
"""From this year on times are written in another form (RFC 5280 section 4.1.2.5)."""


def shape_of(
    csr: Csr,
    profile: Profile,
    issuer: Issuer,
    subject: x509.Name,
    not_before: datetime,
    not_after: datetime,
) -> Shape:
    """Return the shape of the certificate that is made of these."""
    attributes = tuple(
        (one.oid.dotted_string, len(rdn), *_text(str(one.value)))
        for rdn in subject.rdns
        for one in rdn
    )
    names: dict[str, set[tuple[Hashable, ...]]] = {}
    for name in csr.names:
        names.setdefault(name.kind, set()).add((_labels(name.value), *_text(name.value)))
    kinds = tuple(sorted((kind, frozenset(found)) for kind, found in names.items()))
    times = (not_before.year >= _GENERALIZED_TIME, not_after.year >= _GENERALIZED_TIME)
    cut = not_after == issuer.not_after
    return (
        profile,
        issuer.fingerprint,
        csr.key.kind,
        attributes,
        kinds,
        bisect_left(_COUNTS, len(csr.names)),
        times,
        cut,
    )


def _text(value: str) -> tuple[Hashable, ...]:
    """Return what kind of text this is: its punctuation, other alphabets, and about its length."""
    return frozenset(_LETTERS.sub("", value)), value.isascii(), bisect_left(_LENGTHS, len(value))


def _labels(value: str) -> tuple[Hashable, ...]:
    """Return about how many labels a name has, and about how long the longest is."""
    labels = value.split(".")
    longest = max(map(len, labels))
    return min(len(labels), 4), bisect_left(_LENGTHS, longest), value[:2] == "*.", "xn--" in value
