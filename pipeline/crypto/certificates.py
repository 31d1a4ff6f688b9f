"""Read certificates and CSRs, with one kind of error for whatever is wrong with them.

For a version that X.509 does not have, a key or a signature of an unknown kind, an extension that comes
twice, the library raises exceptions that are no ``ValueError``: whoever expects only that would be
stopped by a certificate that somebody else wrote.
"""

from collections.abc import Callable
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

_T = TypeVar("_T")
_E = TypeVar("_E", bound=x509.ExtensionType)


def certificate_from_der(octets: bytes) -> x509.Certificate:
    """Return the certificate in these octets (DER).

    Raises:
        ValueError: there is none.
    """
    return _read(x509.load_der_x509_certificate, octets)


def certificate_from_pem(octets: bytes) -> x509.Certificate:
    """Return the first certificate in a text (PEM).

    Raises:
        ValueError: there is none.
    """
    return _read(x509.load_pem_x509_certificate, octets)


def certificates_from_pem(octets: bytes) -> list[x509.Certificate]:
    """Return all certificates in a text (PEM), of which there is at least one.

    Raises:
        ValueError: there is none, or one cannot be read.
    """
    return _read(x509.load_pem_x509_certificates, octets)


def request_from_der(octets: bytes) -> x509.CertificateSigningRequest:
    """Return the CSR in these octets (DER), unchecked.

    Raises:
        ValueError: there is none.
    """
    return _read(x509.load_der_x509_csr, octets)


def public_key_of(
    certified: x509.Certificate | x509.CertificateSigningRequest,
) -> CertificatePublicKeyTypes:
    """Return the public key of a certificate or CSR.

    Raises:
        ValueError: it is damaged, or of a kind that is not known.
    """
    try:
        return certified.public_key()
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error


def extension_of(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    """Return an extension of a certificate, None when it has none of the kind.

    Raises:
        ValueError: its extensions cannot be read, or one comes twice (RFC 5280 section 4.2).
    """
    try:
        return extensions_of(certificate).get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def extensions_of(certified: x509.Certificate | x509.CertificateSigningRequest) -> x509.Extensions:
    """Return the extensions of a certificate, or those that a CSR asks for.

    Raises:
        ValueError: they cannot be read, or one comes twice (RFC 5280 section 4.2).
    """
    try:
        return certified.extensions
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from error
    except KeyError as error:
        raise ValueError(f"a TLS feature (RFC 7633) is not known: {error}") from error


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Say whether a certificate names an authority as its issuer and has its signature."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _read(load: Callable[[bytes], _T], octets: bytes) -> _T:
    try:
        return load(octets)
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from error
