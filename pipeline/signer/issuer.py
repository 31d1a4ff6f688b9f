"""An issuing CA: its certificate, the chain to its root, and its key, checked when it is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto import der, ecdsa, public_keys
from pipeline.crypto.certificates import certificates_from_pem, extension_of, is_issued_by
from pipeline.errors import SettingsError
from pipeline.signer.keys import SigningKey

LONGEST_CHAIN: Final = 8
"""Certificates from the issuing CA to below the root, as ``pipeline.messages.IssuerNotice`` has it."""


@dataclass(frozen=True, eq=False)
class Issuer:
    """An issuing CA.

    ``fingerprint`` is the SHA-256 of the certificate's DER (hex); ``chain`` the DER of the issuing
    CA's certificate and those above it, without the root; ``root`` the DER of the root. ``key`` is
    None where certificates are looked at and none are made. ``name`` is its name in the settings;
    when it is ``retiring`` it ends what it began and takes nothing new.
    """

    certificate: x509.Certificate
    fingerprint: str
    chain: tuple[bytes, ...] = field(repr=False)
    root: bytes = field(repr=False)
    key: SigningKey | None = field(repr=False)
    name: str = "issuing"
    retiring: bool = False

    @cached_property
    def kind(self) -> str:
        """The kind of its key, as in profiles."""
        return public_keys.kind(self.public_key)

    @cached_property
    def public_key(self) -> CertificatePublicKeyTypes:
        """The key of its certificate."""
        return self.certificate.public_key()

    @cached_property
    def subject(self) -> bytes:
        """Its name (DER), as it stands in its certificate."""
        return der.certificate_subject(self.certificate.public_bytes(Encoding.DER))

    def has_issued(self, certificate: x509.Certificate, octets: bytes) -> bool:
        """Say whether a certificate, read from these octets, names it as its issuer and has its
        signature."""
        if isinstance(self.public_key, EllipticCurvePublicKey):
            return ecdsa.is_issued_by(self.public_key, self.subject, certificate, octets)
        return is_issued_by(certificate, self.certificate)

    @cached_property
    def not_before(self) -> datetime:
        """When its validity begins (aware, UTC)."""
        return self.certificate.not_valid_before_utc

    @cached_property
    def not_after(self) -> datetime:
        """When its validity ends (aware, UTC); that second is included."""
        return self.certificate.not_valid_after_utc

    @cached_property
    def room(self) -> int | None:
        """How many CAs may stand between it and a certificate (RFC 5280 section 4.2.1.9), by the
        path lengths of the whole chain; None when nothing limits them."""
        above = [x509.load_der_x509_certificate(one) for one in (*self.chain[1:], self.root) if one]
        limits = []
        for depth, certificate in enumerate([self.certificate, *above]):
            constraints = extension_of(certificate, x509.BasicConstraints)
            if constraints is not None and constraints.path_length is not None:
                limits.append(constraints.path_length - depth)
        return min(limits, default=None)

    def has_room_for(self, path_length: int) -> bool:
        """Return whether a CA with this path length may stand below it."""
        return self.room is None or path_length < self.room

    @cached_property
    def authority_key_identifier(self) -> x509.AuthorityKeyIdentifier:
        """How its certificates name their issuer's key (RFC 5280 section 4.2.1.1)."""
        extensions = self.certificate.extensions
        try:
            subject = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        except x509.ExtensionNotFound:
            subject = x509.SubjectKeyIdentifier(public_keys.identifier(_spki(self.certificate)))
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject)


def load_issuer(
    issuing: Path,
    root: Path,
    key: SigningKey | None,
    now: datetime,
    *,
    name: str = "issuing",
    retiring: bool = False,
) -> Issuer:
    """Read and check an issuing CA.

    ``issuing`` holds its certificate and, after it, those above it up to below the root, in PEM.
    ``name`` and ``retiring`` are as in :class:`Issuer`.

    Raises:
        SettingsError: a file cannot be read, a certificate may not do what it is there for, the
            chain does not lead to the root, or the key is another.
    """
    chain = _certificates(issuing)
    anchors = _certificates(root)
    if len(anchors) != 1:
        raise SettingsError(root, "", f"holds {len(anchors)} certificates; write only the root's")
    anchor = anchors[0]
    if anchor in chain:
        raise SettingsError(
            issuing, "", "holds the root itself; certificates are issued by a CA below the root"
        )
    if len(chain) > LONGEST_CHAIN:
        problem = f"holds {len(chain)} certificates; at most {LONGEST_CHAIN} may lead to the root"
        raise SettingsError(issuing, "", problem)
    _check_links(issuing, root, [*chain, anchor])
    for depth, certificate in enumerate(chain):
        _check_ca(issuing, certificate, depth, now)
    _check_ca(root, anchor, len(chain), now)
    if key is not None and _spki(chain[0]) != public_keys.spki(key.public_key):
        raise SettingsError(
            issuing, "", "does not belong to the CA key: put the certificate of this key here"
        )
    return Issuer(
        certificate=chain[0],
        fingerprint=chain[0].fingerprint(SHA256()).hex(),
        chain=tuple(certificate.public_bytes(Encoding.DER) for certificate in chain),
        root=anchor.public_bytes(Encoding.DER),
        key=key,
        name=name,
        retiring=retiring,
    )


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return certificates_from_pem(path.read_bytes())
    except OSError as error:
        raise SettingsError(path, "", f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise SettingsError(path, "", "does not hold a certificate in PEM") from None


def is_over(issuing: Path, now: datetime) -> bool:
    """Say whether the validity of an issuing CA's certificate is over.

    Raises:
        SettingsError: the file holds no certificate.
    """
    return now > _certificates(issuing)[0].not_valid_after_utc


def _check_ca(path: Path, certificate: x509.Certificate, below: int, now: datetime) -> None:
    """Check that the certificate is a CA's, valid now, and allows that many CAs below it."""
    subject = certificate.subject.rfc4514_string()
    try:
        constraints = extension_of(certificate, x509.BasicConstraints)
        usage = extension_of(certificate, x509.KeyUsage)
    except ValueError as error:
        problem = f"the extensions of {subject} cannot be read: {error}"
        raise SettingsError(path, "", problem) from None
    if constraints is None or not constraints.ca:
        raise SettingsError(path, "", f"{subject} is not the certificate of a CA")
    if constraints.path_length is not None and constraints.path_length < below:
        raise SettingsError(
            path,
            "",
            f"{subject} allows {constraints.path_length} CAs below it, and {below} are there",
        )
    if usage is not None and not usage.key_cert_sign:
        raise SettingsError(path, "", f"{subject} may not sign certificates (keyCertSign)")
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise SettingsError(
            path,
            "",
            f"{subject} is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} to"
            f" {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC, which is not now",
        )


def _check_links(issuing: Path, root: Path, chain: Sequence[x509.Certificate]) -> None:
    """Check that each certificate was issued by the next, and the last by itself."""
    for lower, upper in zip(chain, [*chain[1:], chain[-1]], strict=True):
        if not is_issued_by(lower, upper):
            subject, by = lower.subject.rfc4514_string(), upper.subject.rfc4514_string()
            path, problem = issuing, f"{subject} was not issued by {by}: the chain is broken"
            if lower is upper:
                path, problem = root, f"{subject} is not a root: it did not sign itself"
            raise SettingsError(path, "", problem)


def _spki(certificate: x509.Certificate) -> bytes:
    return public_keys.spki(certificate.public_key())
