"""Certification requests (PKCS #10, RFC 2986): read once, checked, and told in our own words."""

from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import PublicKeyAlgorithmOID

from pipeline.crypto import ecdsa, pem, public_keys, requested, weak_keys
from pipeline.crypto.extension_requests import ExtensionRequest
from pipeline.crypto.names import Name
from pipeline.crypto.public_keys import PublicKeyFacts
from pipeline.crypto.subject import Part
from pipeline.errors import N_, Refused, Unreadable

_WEAK_HASHES: Final = {"md5": "MD5", "sha1": "SHA-1"}

_PSS: Final = bytes.fromhex("06092a864886f70d01010a")
"""The OID id-RSASSA-PSS in DER."""

_KINDS: Final = frozenset(
    {
        PublicKeyAlgorithmOID.EC_PUBLIC_KEY,
        PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5,
        PublicKeyAlgorithmOID.RSASSA_PSS,
        PublicKeyAlgorithmOID.ED25519,
        PublicKeyAlgorithmOID.ED448,
        PublicKeyAlgorithmOID.DSA,
    }
)
"""Kinds of keys that are read at all. To read one of Diffie and Hellman is to calculate with it, for
seconds, or minutes, when it is large."""

DAMAGED: Final = N_(
    "The CSR is damaged and cannot be read. Make it again, and send the file as it is."
)
UNSUPPORTED_KEY: Final = N_(
    "The CSR's public key is of a kind that is not supported. Make an EC P-256, an RSA or an"
    " Ed25519 key."
)
PSS_KEY: Final = N_(
    "The CSR's RSA key is restricted to PSS signatures, which is not supported. Make an ordinary"
    " RSA or an EC P-256 key."
)
UNSUPPORTED_SIGNATURE: Final = N_(
    "The CSR is signed with an algorithm that is not supported. Make it again with SHA-256"
    " (“openssl req -new -sha256 …”)."
)
WEAK_SIGNATURE: Final = N_(
    "The CSR is signed with %(hash)s, which is broken. Make it again with SHA-256"
    " (“openssl req -new -sha256 …”)."
)
BAD_SIGNATURE: Final = N_(
    "The CSR's signature does not fit its public key: it was changed, or damaged. Make it again"
    " with the private key that belongs to it."
)


@dataclass(frozen=True, slots=True)
class Csr:
    """A CSR whose signature is right and whose key is not known to be weak.

    ``subject`` is RFC 4514 text and ``common_name`` its (last) CN; in both, characters that could
    mislead are made visible, so neither goes into a certificate: ``taken_common_name`` does, which
    is the canonical text of the CN when the CN is one of ``names``. ``names`` are those of the SAN
    in its order, without duplicates; ``unsupported_names`` those of a kind that is never issued;
    ``ignored`` what was asked for and is not taken over where the profile says nothing else, for
    people to read. ``subject_parts`` are the attributes of the subject as the requester wrote them,
    ``extensions`` those asked for besides names.
    """

    der: bytes = field(repr=False)
    subject: str
    common_name: str | None
    taken_common_name: str | None
    names: tuple[Name, ...]
    unsupported_names: tuple[str, ...]
    key: PublicKeyFacts
    spki: bytes = field(repr=False)
    ignored: tuple[str, ...]
    public_key: CertificatePublicKeyTypes = field(repr=False, compare=False)
    subject_parts: tuple[Part, ...] = ()
    extensions: tuple[ExtensionRequest, ...] = ()


def read(octets: bytes, *, verified: bool = False) -> Csr:
    """Read a CSR, PEM or DER, and verify that its sender has the private key.

    With ``verified`` it is one that this side has verified and stored: its signature and the strength
    of its key, which cost more than all the rest, are not looked at again.

    Raises:
        TooLarge: ``too-large``, over 64 KiB.
        Unreadable: ``not-a-csr``, ``private-key-sent``, ``broken-base64``, ``two-csrs``.
        Refused: ``key-not-allowed`` for a kind of key that is not supported, ``weak-key``,
            ``weak-signature``, ``bad-signature``, ``invalid-name``.
    """
    der = pem.unwrap(octets)
    try:
        request = x509.load_der_x509_csr(der)
    except (ValueError, x509.InvalidVersion):
        raise pem.name_what_it_is(der) from None
    key = _public_key(request)
    if not verified:
        weak_keys.refuse_if_weak(key)
    spki = public_keys.spki(key)
    if isinstance(key, RSAPublicKey) and spki not in request.tbs_certrequest_bytes:
        # The library reads id-RSASSA-PSS keys (RFC 4055) and would certify them as ordinary ones.
        if _PSS in request.tbs_certrequest_bytes:
            raise Refused("key-not-allowed", PSS_KEY)
        raise Unreadable("not-a-csr", DAMAGED)
    if not verified:
        _verify_signature(request, key)
    asked = requested.read(request, der)
    return Csr(
        der=der,
        subject=asked.subject,
        common_name=asked.common_name,
        taken_common_name=asked.taken_common_name,
        names=asked.names,
        unsupported_names=asked.unsupported_names,
        key=public_keys.facts(key, spki),
        spki=spki,
        ignored=asked.ignored,
        public_key=key,
        subject_parts=asked.subject_parts,
        extensions=asked.extensions,
    )


def _public_key(request: x509.CertificateSigningRequest) -> CertificatePublicKeyTypes:
    kind = request.public_key_algorithm_oid  # type: ignore[attr-defined] # it has no type hint
    if kind not in _KINDS:
        raise Refused("key-not-allowed", UNSUPPORTED_KEY)
    try:
        return request.public_key()
    except UnsupportedAlgorithm:
        raise Refused("key-not-allowed", UNSUPPORTED_KEY) from None
    except ValueError:
        raise Unreadable("not-a-csr", DAMAGED) from None


def _verify_signature(
    request: x509.CertificateSigningRequest, key: CertificatePublicKeyTypes
) -> None:
    try:
        algorithm = request.signature_hash_algorithm
        if algorithm is not None and algorithm.name in _WEAK_HASHES:
            raise Refused("weak-signature", WEAK_SIGNATURE, hash=_WEAK_HASHES[algorithm.name])
        if isinstance(key, EllipticCurvePublicKey):
            valid = ecdsa.is_signed_by(key, request, request.tbs_certrequest_bytes)
        else:
            valid = request.is_signature_valid
    except UnsupportedAlgorithm:
        raise Refused("weak-signature", UNSUPPORTED_SIGNATURE) from None
    except (ValueError, TypeError):
        valid = False
    if not valid:
        raise Refused("bad-signature", BAD_SIGNATURE)
