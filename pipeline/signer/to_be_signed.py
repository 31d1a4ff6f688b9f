"""The TBSCertificate (RFC 5280 section 4.1), put together from parts that the library has encoded.

The library makes a TBS only together with a signature and encodes all of it each time, which takes
several times as long. What is the same in all certificates of one profile, kind of key and issuer
is therefore taken from one that the library made (`Frame`). ``pipeline.signer.authority`` compares the
first certificate of each shape with what the library makes of the same.
"""

from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes

from pipeline.crypto import der
from pipeline.crypto.profile import Profile
from pipeline.signer import extensions, throw_away
from pipeline.signer.issuer import Issuer

_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_EXTENSIONS: Final = 0xA3
_FIRST_GENERALIZED: Final = 2050

_SKI: Final = bytes.fromhex("0603551d0e")
_SAN: Final = bytes.fromhex("0603551d11")
"""The OIDs of the two extensions that are a certificate's own."""
_CRITICAL: Final = bytes.fromhex("0101ff")


class Frame(NamedTuple):
    """Parts of a TBS in DER: its version; signature algorithm and issuer; and the extensions that come
    before a certificate's own."""

    version: bytes
    issuer: bytes
    extensions: bytes


@lru_cache(maxsize=256)
def frame_for(profile: Profile, key_family: str, issuer: Issuer) -> Frame:
    """Return what is the same in each TBS of this profile, kind of key and issuer."""
    stand_in = throw_away.key_like(issuer.kind)
    public: CertificateIssuerPublicKeyTypes = stand_in.private_key.public_key()
    made = (
        extensions.builder_for(profile, key_family, issuer)
        .subject_name(x509.Name([]))
        .public_key(public)
        .serial_number(1)
        .not_valid_before(issuer.not_before)
        .not_valid_after(issuer.not_before)
        .sign(stand_in.private_key, stand_in.signature_hash)
    )
    version, _, algorithm, name, *_, tagged = der.elements(der.content(made.tbs_certificate_bytes))
    return Frame(version, algorithm + name, der.content(der.content(tagged)))


def encode(
    frame: Frame,
    serial: int,
    not_before: datetime,
    not_after: datetime,
    subject: x509.Name,
    spki: bytes,
    own: extensions.Own,
) -> bytes:
    """Return the TBS with these parts, of which ``spki`` is a SubjectPublicKeyInfo in DER."""
    identifier = _SKI + der.encode(der.OCTET_STRING, own.key_identifier.public_bytes())
    every = frame.extensions + der.encode(der.SEQUENCE, identifier)
    if own.names is not None:
        criticality = _CRITICAL if own.critical_names else b""
        san = _SAN + criticality + der.encode(der.OCTET_STRING, own.names.public_bytes())
        every += der.encode(der.SEQUENCE, san)
    # One octet more than the bits take, so that the first one is no sign.
    number = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    return der.encode(
        der.SEQUENCE,
        frame.version
        + der.encode(der.INTEGER, number)
        + frame.issuer
        + der.encode(der.SEQUENCE, _time(not_before) + _time(not_after))
        + subject.public_bytes()
        + spki
        + der.encode(_EXTENSIONS, der.encode(der.SEQUENCE, every)),
    )


@lru_cache(maxsize=64)
def _time(moment: datetime) -> bytes:
    """Return a time of validity, whose form depends on the year (section 4.1.2.5). What is issued
    within a second has the same."""
    if moment.year < _FIRST_GENERALIZED:
        return der.encode(_UTC_TIME, f"{moment:%y%m%d%H%M%SZ}".encode())
    return der.encode(_GENERALIZED_TIME, f"{moment:%Y%m%d%H%M%SZ}".encode())
