"""Profiles: what a kind of certificate may contain, and everything in it but its names and key.

A request keeps a snapshot of its profile as it stood, so every field has a plain JSON form.
"""

from datetime import timedelta
from functools import cached_property, lru_cache
from typing import Any, Final, Literal

import msgspec

from pipeline.crypto import durations, subtrees
from pipeline.crypto.names import Kind
from pipeline.crypto.profile_problems import problems
from pipeline.crypto.subtrees import Subtree
from pipeline.crypto.usages import (
    EXTENDED_KEY_USAGES,
    OF_AGREEMENT,
    POWERS,
    USAGES_OF_KEYS,
    KeyUsage,
    Power,
)

SubjectAttribute = Literal[
    "C",
    "ST",
    "L",
    "street",
    "postalCode",
    "O",
    "organizationIdentifier",
    "OU",
    "title",
    "SN",
    "GN",
    "serialNumber",
    "UID",
    "CN",
]
Lint = Literal["rfc5280", "cabf-tls"]
"""By what a certificate is looked at before it is signed: RFC 5280, or the CA/Browser Forum's TLS
Baseline Requirements, which include it."""
ExtraSubject = Literal["drop", "refuse"]
ExtraExtensions = Literal["drop", "refuse_dangerous", "refuse"]


class ProfileError(ValueError):
    """A profile's value is wrong: which key, and what was found and is allowed."""

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        self.problem = problem
        super().__init__(f"{key}: {problem}")


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """One profile. ``name`` is its key in the policy file.

    ``validity`` is the whole time from not_before to not_after, both included; ``backdate`` how far
    before the time of issuance it begins, for clients whose clocks are behind. ``max_name_length``
    is in characters; ``max_of_kind`` has entries such as ``ip:4``. ``issuer`` names one of the
    signer's issuing CAs; empty is the first of them. ``lint`` says by what its certificates are looked
    at before they are signed.

    ``subject`` are attributes that every certificate has (``O=Example``), ``subject_from_csr`` those
    that follow as the CSR has them, of which ``subject_required`` must be there. ``extra_subject``
    and ``extra_extensions`` say what becomes of a CSR that asks for more than it gets.

    ``ca`` makes certificates of CAs, below which ``path_length`` further ones may stand. Such a CA
    speaks for ``permitted_subtrees`` without ``excluded_subtrees`` and for nothing else, or, when the
    profile says ``unconstrained``, for every name that is not excluded.

    ``certificate_policies`` are OIDs, each with the URL of a practice statement after it where there
    is one. ``ocsp_no_check`` is for OCSP responders; ``spiffe`` asks for exactly one URI, a SPIFFE ID.

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
    subject: tuple[str, ...] = ()
    subject_from_csr: tuple[SubjectAttribute, ...] = ("CN",)
    subject_required: tuple[SubjectAttribute, ...] = ()
    extra_subject: ExtraSubject = "drop"
    extra_extensions: ExtraExtensions = "drop"
    names: tuple[Kind, ...] = ("dns",)
    max_names: int = 100
    max_of_kind: tuple[str, ...] = ()
    max_name_length: int = 253
    wildcards: bool = False
    idn: bool = False
    spiffe: bool = False
    ca: bool = False
    path_length: int = 0
    permitted_subtrees: tuple[str, ...] = ()
    excluded_subtrees: tuple[str, ...] = ()
    unconstrained: bool = False
    certificate_policies: tuple[str, ...] = ()
    ocsp_no_check: bool = False
    crl_distribution_points: tuple[str, ...] = ()
    ocsp: tuple[str, ...] = ()
    ca_issuers: tuple[str, ...] = ()
    issuer: str = ""
    lint: tuple[Lint, ...] = ("rfc5280",)

    def __post_init__(self) -> None:
        """Refuse values that do not fit; msgspec has checked their types."""
        for key, problem in problems(self):
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
        return tuple(usage for usage in usages if usage not in OF_AGREEMENT)

    def extended_key_usage_oids(self) -> tuple[str, ...]:
        """Return the extended key usages as dotted OIDs."""
        return tuple(EXTENDED_KEY_USAGES.get(usage, usage) for usage in self.extended_key_usage)

    @cached_property
    def powers(self) -> frozenset[Power]:
        """What its certificates are good for beyond being one of their names."""
        found = {POWERS[oid] for oid in self.extended_key_usage_oids() if oid in POWERS}
        if self.ca:
            found.add("ca")
        if set(self.subject_from_csr) - ({"CN"} if self.names else set()):
            found.add("free_subject")
        return frozenset(found)

    def most_of_kind(self) -> dict[str, int]:
        """Return how many names of a kind are allowed, for the kinds that have a limit."""
        parts = (text.partition(":") for text in self.max_of_kind)
        return {kind: int(count) for kind, _, count in parts}

    def reach(self) -> tuple[Subtree, ...]:
        """Return what a CA of this profile could speak for; nothing means every name."""
        return tuple(subtrees.parse(text) for text in self.permitted_subtrees)

    def constraints(self) -> tuple[tuple[Subtree, ...], tuple[Subtree, ...]]:
        """Return the permitted and the excluded subtrees of a CA, every kind of name closed that
        nothing is permitted of."""
        permitted = self.reach()
        excluded = tuple(subtrees.parse(text) for text in self.excluded_subtrees)
        if not permitted:
            return permitted, excluded
        more_permitted, more_excluded = subtrees.closed(permitted)
        return permitted + more_permitted, excluded + more_excluded

    @cached_property
    def snapshot(self) -> dict[str, Any]:
        """Every field in plain JSON types, for the request's record and digest; one object for all
        requests, which nobody changes."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return plain

    @staticmethod
    def from_snapshot(snapshot: dict[str, Any]) -> "Profile":
        """Return the profile of which this is the snapshot.

        Raises:
            msgspec.ValidationError: when it is not one.
        """
        return _read(msgspec.json.encode(snapshot))

    @staticmethod
    def from_text(snapshot: str) -> "Profile":
        """Return the same for the text of a snapshot in JSON."""
        return _read(snapshot)


_DECODER: Final = msgspec.json.Decoder(Profile)
"""Made at import: see ``pipeline.messages``."""


@lru_cache(maxsize=256)
def _read(snapshot: bytes | str) -> Profile:
    """Read a snapshot once: many requests have the same, and each is looked through for problems."""
    return _DECODER.decode(snapshot)
