"""ECDSA signatures of certificates and CSRs, verified with a key that has been read already.

The library's own answers, ``is_signature_valid`` and ``verify_directly_issued_by``, read the key anew
each time, which takes a sixth of what they take. What they compare is compared here too; a test holds
the verdicts against each other.
"""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey

from pipeline.crypto import der


def is_signed_by(
    key: EllipticCurvePublicKey,
    signed: x509.Certificate | x509.CertificateSigningRequest,
    octets: bytes,
) -> bool:
    """Say whether a certificate or CSR has this key's signature; in it are signed ``octets``."""
    try:
        algorithm = signed.signature_algorithm_parameters
        # The kind of key says what a signature by it is, never what was signed.
        if not isinstance(algorithm, ECDSA):
            return False
        key.verify(signed.signature, octets, algorithm)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def is_issued_by(
    key: EllipticCurvePublicKey, subject: bytes, certificate: x509.Certificate, octets: bytes
) -> bool:
    """Say whether a certificate, read from these octets, names an authority as its issuer and has its
    signature. ``subject`` is the authority's name in DER, octet for octet as certificates have it."""
    try:
        issued = der.issued(octets)
    except ValueError:
        return False
    return (
        issued.algorithm == issued.signature_algorithm
        and issued.issuer == subject
        and is_signed_by(key, certificate, issued.tbs)
    )
