"""The extensions that a CSR asks for, besides names. None is ever taken over: the profile alone says
what is in a certificate. What differs from that is shown to the approver, or refused by profile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from cryptography import x509

from pipeline.crypto.usages import OF_AGREEMENT, TIME_STAMPING, USAGES

if TYPE_CHECKING:
    from pipeline.crypto.profile import Profile

_OF_CAS: Final = frozenset({"key_cert_sign", "crl_sign"})

_DANGEROUS_USES: Final = frozenset(
    {
        "2.5.29.37.0",  # any use at all
        "1.3.6.1.5.5.7.3.3",  # code signing
        TIME_STAMPING,
        "1.3.6.1.5.5.7.3.9",  # OCSP signing
        "1.3.6.1.4.1.311.20.2.1",  # requesting certificates on behalf of others
    }
)
_DANGEROUS: Final = frozenset(
    {
        "2.5.29.30",  # name constraints
        "2.5.29.33",  # policy mappings
        "2.5.29.36",  # policy constraints
        "2.5.29.54",  # inhibit anyPolicy
        "1.3.6.1.5.5.7.48.1.5",  # OCSP no-check: a certificate that nobody asks about
        "1.3.6.1.4.1.311.25.2",  # the account in a Windows domain whose certificate it is
    }
)
"""What only a CA has, or what lets its holder be taken for somebody else."""

_TITLES: Final = {
    "1.3.6.1.4.1.311.13.2.3": "Microsoft OS version",
    "1.3.6.1.4.1.311.21.20": "Microsoft client information",
    "1.3.6.1.4.1.311.13.2.2": "Microsoft enrolment provider",
    "1.3.6.1.4.1.311.20.2": "Microsoft certificate template name",
    "1.3.6.1.4.1.311.21.7": "Microsoft certificate template",
    "1.3.6.1.4.1.311.21.10": "Microsoft application policies",
    "1.3.6.1.4.1.311.25.2": "Microsoft account security identifier",
    "1.2.840.113549.1.9.15": "S/MIME capabilities",
}


class ExtensionRequest(msgspec.Struct, frozen=True):
    """One extension that a CSR asks for.

    ``title`` names it; ``usages`` are the key usages, or the extended ones as OIDs, that it lists;
    ``ca`` and ``path_length`` what its basic constraints say.
    """

    oid: str
    title: str
    usages: tuple[str, ...] = ()
    ca: bool = False
    path_length: int | None = None

    def __str__(self) -> str:
        """Return it for people, with what it asks for where that matters."""
        if self.ca:
            length = "" if self.path_length is None else f", path length {self.path_length}"
            return f"{self.title} (to be a CA{length})"
        return f"{self.title} ({', '.join(self.usages)})" if self.usages else self.title

    def fits(self, profile: Profile) -> bool:
        """Return whether the certificate has what is asked for, since the profile says the same."""
        if self.oid == x509.KeyUsage.oid.dotted_string:
            return set(self.usages) <= set(profile.key_usage)
        if self.oid == x509.ExtendedKeyUsage.oid.dotted_string:
            return set(self.usages) <= set(profile.extended_key_usage_oids())
        if self.oid == x509.BasicConstraints.oid.dotted_string:
            return self.ca == profile.ca and self.path_length in (None, profile.path_length)
        return self.oid == x509.OCSPNoCheck.oid.dotted_string and profile.ocsp_no_check

    def is_dangerous(self, profile: Profile) -> bool:
        """Return whether it asks for a power that the profile does not give."""
        if self.fits(profile):
            return False
        if self.oid == x509.ExtendedKeyUsage.oid.dotted_string:
            beyond = set(self.usages) - set(profile.extended_key_usage_oids())
            return bool(beyond & _DANGEROUS_USES)
        if self.oid == x509.KeyUsage.oid.dotted_string:
            return bool((set(self.usages) - set(profile.key_usage)) & _OF_CAS)
        return self.ca or self.oid in _DANGEROUS


def read(extension: x509.Extension[x509.ExtensionType]) -> ExtensionRequest:
    """Return what an extension of a CSR asks for."""
    value, oid, title = extension.value, extension.oid.dotted_string, title_of(extension.oid)
    match value:
        case x509.BasicConstraints():
            return ExtensionRequest(oid, title, ca=value.ca, path_length=value.path_length)
        case x509.KeyUsage():
            bits = USAGES + (OF_AGREEMENT if value.key_agreement else ())
            return ExtensionRequest(oid, title, tuple(bit for bit in bits if getattr(value, bit)))
        case x509.ExtendedKeyUsage():
            return ExtensionRequest(oid, title, tuple(usage.dotted_string for usage in value))
        case _:
            return ExtensionRequest(oid, title)


def title_of(oid: x509.ObjectIdentifier) -> str:
    """Return the readable name of an extension or attribute, or its number."""
    known: str = oid._name  # The library's table of names has no public door.
    if known != "Unknown OID":
        return known
    return _TITLES.get(oid.dotted_string, oid.dotted_string)
