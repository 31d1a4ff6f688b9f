"""The forms in which a certificate is handed out, and the choice between them."""

import ssl
from collections.abc import Sequence
from enum import Enum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from pipeline.errors import N_, RequesterError

NOT_ACCEPTABLE: Final = N_(
    "The certificate is not offered as what you accept. Ask for one of: %(offered)s."
)

LONGEST: Final = 1000
"""Characters of what somebody accepts. To read thousands of forms would hold up everybody else, so a
longer list is none, which RFC 9110 (section 12.5.1) leaves to us."""


class Format(Enum):
    """A form: its media type, and the ending of a file that holds it."""

    CHAIN = ("application/pem-certificate-chain", "chain.pem")
    PEM = ("application/x-pem-file", "pem")
    DER = ("application/pkix-cert", "cer")
    PKCS7 = ("application/pkcs7-mime; smime-type=certs-only", "p7c")

    def __init__(self, media_type: str, ending: str) -> None:
        self.media_type = media_type
        self.ending = ending


_NEGOTIATED: Final = {
    "application/pem-certificate-chain": Format.CHAIN,  # RFC 8555 section 9.1
    "application/x-pem-file": Format.CHAIN,
    "application/pkix-cert": Format.DER,  # RFC 2585 section 4.1
    "application/pkcs7-mime": Format.PKCS7,  # RFC 8551 section 3.2.2
    "application/pkcs7-mime; smime-type=certs-only": Format.PKCS7,
}


def negotiate(accept: str) -> tuple[Format, str]:
    """Return the form that the client likes best by its header Accept, and its media type; PEM with
    chain by default.

    Raises:
        RequesterError: ``not-acceptable``.
    """
    accepted = parse_accept_header(accept if len(accept) <= LONGEST else "", MIMEAccept)
    if not accepted:
        return Format.CHAIN, Format.CHAIN.media_type
    best = accepted.best_match(_NEGOTIATED)
    if best is None:
        offered = ", ".join(form for form in _NEGOTIATED if ";" not in form)
        raise RequesterError("not-acceptable", NOT_ACCEPTABLE, offered=offered)
    form = _NEGOTIATED[best]
    return form, Format.PKCS7.media_type if form is Format.PKCS7 else best


def write(form: Format, certificate: bytes, chain: bytes) -> bytes:
    """Return a certificate (DER) in this form; ``chain`` is PEM from its issuer to below the root."""
    match form:
        case Format.CHAIN:
            return pem(certificate).encode("ascii") + chain
        case Format.PEM:
            return pem(certificate).encode("ascii")
        case Format.DER:
            return certificate
        case Format.PKCS7:
            certificates = [x509.load_der_x509_certificate(certificate), *load_chain(chain)]
            return serialize_certificates(certificates, Encoding.DER)


def pem(certificate: bytes) -> str:
    """Return a certificate (DER) as PEM."""
    return ssl.DER_cert_to_PEM_cert(certificate)


def load_chain(chain: bytes) -> Sequence[x509.Certificate]:
    """Return the certificates of a chain in PEM, which may be empty."""
    return x509.load_pem_x509_certificates(chain) if chain.strip() else []
