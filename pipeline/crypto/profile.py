"""Profiles: what a kind of certificate may contain, and everything in it but its names and key.

A request keeps a snapshot of its profile as it stood, so every field has a plain JSON form.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final, Literal, Self

import msgspec

from pipeline.crypto import durations
from pipeline.crypto.names import Kind
from pipeline.crypto.public_keys import KeyRule

KeyUsage = Literal[
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "encipher_only",
    "decipher_only",
]
"""RFC 5280 section 4.2.1.3, without the two that only a CA has (key_cert_sign and crl_sign)."""

Lint = Literal["rfc5280", "cabf-tls"]
"""By what a certificate is looked at before it is signed: RFC 5280, or the CA/Browser Forum's TLS
Baseline Requirements, which include it."""

USAGES_OF_KEYS: Final[dict[str, frozenset[str]]] = {
    "rsa": frozenset(
        {"digital_signature", "content_commitment", "key_encipherment", "data_encipherment"}
    ),
    "ec": frozenset(
        {
            "digital_signature",
            "content_commitment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        }
    ),
    "ed25519": frozenset({"digital_signature", "content_commitment"}),
}
"""What each kind of key can do at all: RFC 3279 section 2.3.1, RFC 8813 section 3, RFC 8410
section 5. A certificate gets those of its profile's usages that its key can do."""

EXTENDED_KEY_USAGES: Final = {
    "server_auth": "1.3.6.1.5.5.7.3.1",
    "client_auth": "1.3.6.1.5.5.7.3.2",
    "code_signing": "1.3.6.1.5.5.7.3.3",
    "email_protection": "1.3.6.1.5.5.7.3.4",
    "ocsp_signing": "1.3.6.1.5.5.7.3.9",
}
_ANY_EXTENDED_KEY_USAGE: Final = "2.5.29.37.0"
_OID: Final = re.compile(
    r"(?:[01]\.[0-9]|[01]\.[1-3][0-9]|2\.[0-9]{1,9})(?:\.(?:0|[1-9][0-9]{0,18}))+"
)
_URL: Final = re.compile(r"https?://[!-~]+")
_MOST_NAMES: Final = 10_000
_LONGEST_NAME: Final = 2_000


class ProfileError(ValueError):
    """A profile's value is wrong: which key, and what was found and is allowed."""

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        self.problem = problem
        super().__init__(f"{key}: {problem}")


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One profile. ``name`` is its key in the policy file.

    ``validity`` is the whole time from not_before to not_after, both included; ``backdate`` how far
    before the time of issuance it begins, for clients whose clocks are behind. ``max_name_length``
    is in characters. ``issuer`` names one of the signer's issuing CAs; empty is the first of them.
    ``lint`` says by what its certificates are looked at before they are signed.

    Raises:
        ProfileError: when a value is not allowed.
    """

    name: str = ""
    description: str = ""
    validity: str = "90d"
    backdate: str = "5m"
    keys: tuple[str, ...] = ("ec:P-256", "ec:P-384", "ed25519", "rsa:2048-4096")
    key_usage: tuple[KeyUsage, ...] = ("digital_signature",)
    extended_key_usage: tuple[str, ...] = ()
    names: tuple[Kind, ...] = ("dns",)
    max_names: int = 100
    max_name_length: int = 253
    wildcards: bool = False
    idn: bool = False
    crl_distribution_points: tuple[str, ...] = ()
    ocsp: tuple[str, ...] = ()
    ca_issuers: tuple[str, ...] = ()
    issuer: str = ""
    lint: tuple[Lint, ...] = ("rfc5280",)

    def __post_init__(self) -> None:
        """Refuse values that do not fit; msgspec has checked their types."""
        for key, problem in _problems(self):
            raise ProfileError(key, problem)

    @property
    def validity_time(self) -> timedelta:
        """``validity`` as a length of time."""
        return durations.parse(self.validity)

    @property
    def backdate_time(self) -> timedelta:
        """``backdate`` as a length of time."""
        return durations.parse(self.backdate)

    def usages_for(self, key_family: str) -> tuple[KeyUsage, ...]:
        """Return the key usages of a certificate for such a key (``rsa``, ``ec``, ``ed25519``)."""
        possible = USAGES_OF_KEYS.get(key_family, frozenset())
        usages = tuple(usage for usage in self.key_usage if usage in possible)
        if "key_agreement" in usages:
            return usages
        return tuple(usage for usage in usages if usage not in ("encipher_only", "decipher_only"))

    def extended_key_usage_oids(self) -> tuple[str, ...]:
        """Return the extended key usages as dotted OIDs."""
        return tuple(EXTENDED_KEY_USAGES.get(usage, usage) for usage in self.extended_key_usage)

    def snapshot(self) -> dict[str, Any]:
        """Return every field in plain JSON types, for the request's record and digest."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return plain

    @classmethod
    def from_snapshot(cls, snapshot: dict[str, Any]) -> Self:
        """Return the profile of which this is the snapshot.

        Raises:
            msgspec.ValidationError: when it is not one.
        """
        return msgspec.convert(snapshot, cls)


def _problems(profile: Profile) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, as (key, what was found and what is allowed)."""
    for key in ("validity", "backdate"):
        try:
            durations.parse(getattr(profile, key))
        except ValueError as error:
            yield key, str(error)
    if profile.validity_time <= profile.backdate_time:
        yield "validity", f"{profile.validity!r} must be longer than backdate, {profile.backdate!r}"
    yield from _key_problems(profile)
    for usage in profile.extended_key_usage:
        if usage == _ANY_EXTENDED_KEY_USAGE:
            yield "extended_key_usage", f"{usage!r} would allow every use; list the uses instead"
        elif usage not in EXTENDED_KEY_USAGES and not _OID.fullmatch(usage):
            allowed = ", ".join(EXTENDED_KEY_USAGES)
            yield "extended_key_usage", f"found {usage!r}; allowed are {allowed}, or a dotted OID"
    if not profile.names:
        yield "names", "found none; allowed are dns, ip, email, uri"
    if not 1 <= profile.max_names <= _MOST_NAMES:
        yield "max_names", f"found {profile.max_names}; allowed are 1 to {_MOST_NAMES}"
    if not 1 <= profile.max_name_length <= _LONGEST_NAME:
        found = profile.max_name_length
        yield "max_name_length", f"found {found}; allowed are 1 to {_LONGEST_NAME}"
    for key in ("keys", "key_usage", "extended_key_usage", "names", "lint"):
        values = getattr(profile, key)
        if len(set(values)) < len(values):
            yield key, "an entry is listed twice"
    for key in ("crl_distribution_points", "ocsp", "ca_issuers"):
        for url in getattr(profile, key):
            if not _URL.fullmatch(url):
                yield key, f"found {url!r}; a URL begins with http:// or https://"


def _key_problems(profile: Profile) -> Iterator[tuple[str, str]]:
    if not profile.keys:
        yield "keys", "found none, so nothing could be issued; list kinds such as ec:P-256"
    for text in profile.keys:
        try:
            KeyRule.parse(text)
        except ValueError as error:
            yield "keys", str(error)
    if not profile.key_usage:
        yield "key_usage", "found none; list at least one, such as digital_signature"
    of_agreement = {"encipher_only", "decipher_only"} & set(profile.key_usage)
    if of_agreement and "key_agreement" not in profile.key_usage:
        yield "key_usage", f"{of_agreement.pop()!r} means nothing without key_agreement"
