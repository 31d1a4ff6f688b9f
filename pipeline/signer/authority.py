"""Certificates: from a CSR and its profile to TBS, signature, and the finished certificate.

The steps, between which the signer commits: :func:`prepare` makes the complete TBS,
:func:`sign` signs exactly these bytes, :func:`assemble` joins both, :func:`verify` compares the
result with the request and the TBS. Nothing here knows of time or randomness but by arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto import der, requested, subject
from pipeline.crypto.certificates import certificate_from_der, extension_of
from pipeline.crypto.csr import Csr
from pipeline.crypto.profile import Profile
from pipeline.errors import ItemFailed, KeyUnavailable, Refused
from pipeline.signer import extensions, throw_away, to_be_signed
from pipeline.signer.issuer import Issuer
from pipeline.signer.shape import Shape, shape_of

_RANDOM_OCTETS: Final = 19
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A certificate but for its signature. ``not_after`` is the last second that it is valid in;
    ``shape`` what is the same in all that look alike; ``by_library`` makes the same with a throw-away
    key.
    """

    issuer: Issuer = field(repr=False)
    tbs: bytes
    serial: int
    not_before: datetime
    not_after: datetime
    shape: Shape = field(repr=False)
    by_library: Callable[[], x509.Certificate] = field(repr=False)

    @property
    def certificate(self) -> bytes:
        """The same certificate (DER), as the library makes it and with the signature of a throw-away
        key.

        Raises:
            ItemFailed: the library makes another TBS of it, so that nothing may be signed.
        """
        certificate = self.by_library()
        if certificate.tbs_certificate_bytes != self.tbs:
            raise ItemFailed("the certificate was not put together as it was meant")
        return certificate.public_bytes(Encoding.DER)


def new_serial(random_octets: Callable[[int], bytes]) -> int:
    """Return a serial number: 20 octets, positive, 152 of its bits random (RFC 5280 4.1.2.2).

    ``random_octets(n)`` returns n random octets, as ``secrets.token_bytes`` does.
    """
    return int.from_bytes(b"\x01" + random_octets(_RANDOM_OCTETS), "big")


def prepare(csr: Csr, profile: Profile, issuer: Issuer, now: datetime, serial: int) -> Prepared:
    """Return the TBS that the profile makes of the CSR. The CSR has been checked against it.

    Raises:
        ItemFailed: when the issuer is not valid now, or may not issue such a certificate.
    """
    not_before, not_after = _validity(profile, issuer, now)
    named = _subject(csr, profile)
    _ensure_below(named, profile, issuer)
    # Without a subject, the names are the only identity (RFC 5280 section 4.2.1.6).
    own = extensions.own(csr, critical_names=not named.rdns)
    frame = to_be_signed.frame_for(profile, csr.key.family, issuer)
    tbs = to_be_signed.encode(frame, serial, not_before, not_after, named, csr.spki, own)

    def by_library() -> x509.Certificate:
        # The CA key is not touched until the TBS is committed: a throw-away key stands in for it.
        stand_in = throw_away.key_like(issuer.kind)
        builder = (
            extensions.builder_for(profile, csr.key.family, issuer)
            .subject_name(named)
            .public_key(csr.public_key)
            .serial_number(serial)
            .not_valid_before(not_before)
            .not_valid_after(not_after)
        )
        builder = extensions.add_own(builder, own)
        return builder.sign(stand_in.private_key, stand_in.signature_hash)

    shape = shape_of(csr, profile, issuer, named, not_before, not_after)
    return Prepared(issuer, tbs, serial, not_before, not_after, shape, by_library)


def sign(tbs: bytes, issuer: Issuer) -> bytes:
    """Return the CA's signature over exactly these bytes.

    Raises:
        KeyUnavailable: when this process has no key of the issuer, or it is out of reach.
    """
    if issuer.key is None:
        raise KeyUnavailable(f"there is no key for issuer {issuer.fingerprint}")
    return issuer.key.sign(tbs)


def assemble(tbs: bytes, signature: bytes) -> bytes:
    """Return the DER of the certificate.

    Raises:
        ItemFailed: when the TBS is damaged.
    """
    try:
        return der.certificate(tbs, signature)
    except ValueError as error:
        raise ItemFailed(str(error)) from None


def verify(
    certificate_der: bytes, tbs: bytes, csr: Csr, profile: Profile | None, issuer: Issuer
) -> None:
    """Compare a finished certificate with its TBS, its request, its profile's subject and claim to be
    a CA, and its issuer. ``profile`` is None where it is not known: after an import.

    Raises:
        ItemFailed: which of them it differs from.
    """
    certificate = _load(certificate_der)
    if certificate.tbs_certificate_bytes != tbs:
        raise ItemFailed("the certificate differs from the TBS that was recorded for it")
    if not issuer.has_issued(certificate, certificate_der):
        raise ItemFailed("the certificate's signature is not the issuer's")
    if _spki(certificate_der) != csr.spki:
        raise ItemFailed("the certificate has another public key than the CSR")
    try:
        named, names = requested.names_in(certificate)
    except (ValueError, Refused):
        raise ItemFailed("the certificate's names cannot be read") from None
    if names != csr.names:
        raise ItemFailed("the certificate has other names than the CSR")
    if profile is None:
        return
    if named != _subject(csr, profile):
        raise ItemFailed("the certificate has another subject than the CSR gives it")
    if extension_of(certificate, x509.BasicConstraints) != extensions.basic_constraints(profile):
        raise ItemFailed("the certificate and its profile differ on whether it is a CA")


def ensure_usable(tbs: bytes, issuer: Issuer, now: datetime, made: Prepared | None = None) -> None:
    """Check that a recorded TBS can still be signed by this issuer.

    ``made`` is what this process has just prepared: the very same TBS needs not be read again.

    Raises:
        ItemFailed: its validity is over, or it was made for another issuer.
    """
    if made is not None and made.tbs == tbs and made.issuer is issuer:
        not_after = made.not_after
    else:
        not_after = _end_of_recorded(tbs, issuer)
    if now > not_after:
        raise ItemFailed("the certificate's validity was over before it was signed")


def _end_of_recorded(tbs: bytes, issuer: Issuer) -> datetime:
    """Return the last second of validity of a TBS that was made for this issuer."""
    certificate = _load(assemble(tbs, b""))
    try:
        named = extension_of(certificate, x509.AuthorityKeyIdentifier)
        same_name = certificate.issuer == issuer.certificate.subject
    except ValueError:
        raise ItemFailed("the recorded TBS cannot be read") from None
    if named is None:
        raise ItemFailed("the recorded TBS does not name its issuer's key")
    if not same_name or named != issuer.authority_key_identifier:
        raise ItemFailed("the recorded TBS was made for an issuer that is no longer there")
    return certificate.not_valid_after_utc


def _spki(certificate_der: bytes) -> bytes:
    try:
        return der.certificate_spki(certificate_der)
    except ValueError:
        raise ItemFailed("the certificate's public key cannot be read") from None


def _load(certificate_der: bytes) -> x509.Certificate:
    try:
        return certificate_from_der(certificate_der)
    except ValueError:
        raise ItemFailed("the certificate is damaged") from None


def _subject(csr: Csr, profile: Profile) -> x509.Name:
    try:
        return subject.to_name(subject.compose(csr, profile))
    except Refused as refused:
        raise ItemFailed(str(refused)) from None


def _ensure_below(named: x509.Name, profile: Profile, issuer: Issuer) -> None:
    """Check that the certificate stays below its issuer.

    One that bears the issuer's own name counts as self-issued: clients would count it for no CA of
    the path, and apply no name constraints to it (RFC 5280 section 6.1).
    """
    if subject.same(named, issuer.certificate.subject):
        raise ItemFailed("the certificate would have the name of its issuing CA")
    if profile.ca and not issuer.has_room_for(profile.path_length):
        raise ItemFailed(
            f"the issuing CA {issuer.name} allows {issuer.room} CAs below it, and this certificate"
            f" would take {profile.path_length + 1}"
        )


def _validity(profile: Profile, issuer: Issuer, now: datetime) -> tuple[datetime, datetime]:
    """Return first and last second of validity, within the issuer's (RFC 5280 section 4.1.2.5)."""
    now = now.replace(microsecond=0)
    if not issuer.not_before <= now <= issuer.not_after:
        raise ItemFailed("the issuing CA's certificate is not valid now")
    begin = now - profile.backdate_time
    end = begin + profile.validity_time - _SECOND
    return max(begin, issuer.not_before), min(end, issuer.not_after)
