"""Lists of keys that are known to be bad, and under which names a key stands in them.

A key is named by the SHA-256 of its SubjectPublicKeyInfo (64 hex digits), or, if it is an RSA key, as
in the lists of Debian's package ``openssl-blacklist`` (CVE-2008-0166; openssl-vulnkey(1)): by the last
20 hex digits of the SHA-1 of what ``openssl rsa -noout -modulus`` prints. A list has one name a line;
what follows ``#``, and empty lines, are left out.
"""

import hashlib
import re
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from pipeline.crypto import public_keys

NAME = re.compile(r"[0-9a-f]{64}|[0-9a-f]{20}")


class NotAList(ValueError):
    """A line of a list names no key; the message says which line."""


def fingerprint(key: PublicKeyTypes) -> str:
    """Return the SHA-256 (hex) of a key's SubjectPublicKeyInfo."""
    return hashlib.sha256(public_keys.spki(key)).hexdigest()


def vulnkey(key: RSAPublicKey) -> str:
    """Return an RSA key's name in the lists of ``openssl-blacklist``."""
    printed = f"Modulus={key.public_numbers().n:X}\n".encode("ascii")
    # What those lists were made with; nothing is protected by it here.
    return hashlib.sha1(printed, usedforsecurity=False).hexdigest()[20:]


def names(key: PublicKeyTypes, spki_fingerprint: str) -> tuple[str, ...]:
    """Return every name under which a key may be in a list, its fingerprint first."""
    if isinstance(key, RSAPublicKey):
        return spki_fingerprint, vulnkey(key)
    return (spki_fingerprint,)


def read(lines: Iterable[str]) -> list[str]:
    """Return the names of a list, in its order, without those that it repeats.

    Raises:
        NotAList: a line is something else.
    """
    found: dict[str, None] = {}
    for number, line in enumerate(lines, start=1):
        name = line.partition("#")[0].strip().lower()
        if not name:
            continue
        if not NAME.fullmatch(name):
            raise NotAList(
                f"line {number} names no key; it has to be 64 hex digits (SHA-256 of the"
                " SubjectPublicKeyInfo) or 20 (as in openssl-blacklist)"
            )
        found[name] = None
    return list(found)
