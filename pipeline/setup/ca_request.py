"""The CSR of an issuing CA, for a root that is not ours."""

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto import der, public_keys
from pipeline.errors import HttpcaError
from pipeline.signer import throw_away
from pipeline.signer.extensions import key_usage
from pipeline.signer.keys import SigningKey

WISHED_PATH_LENGTH: Final = 0
"""No CA below the issuing CA (RFC 5280 section 4.2.1.9)."""


def make_request(key: SigningKey, subject: x509.Name) -> x509.CertificateSigningRequest:
    """Return a CSR that asks for the certificate of an issuing CA; the root's owner decides.

    The key may be in a token and has no private half to give, so a throw-away key makes the form,
    and the CA key signs it with its own public half in it.

    Raises:
        HttpcaError: the signature is not the key's.
        KeyUnavailable: the key is out of reach.
    """
    stand_in = throw_away.key_like(key.kind)
    spki = public_keys.spki(key.public_key)
    identifier = x509.SubjectKeyIdentifier(public_keys.identifier(spki))
    form = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=WISHED_PATH_LENGTH), True)
        .add_extension(key_usage("key_cert_sign", "crl_sign"), True)
        .add_extension(identifier, False)
        .sign(stand_in.private_key, stand_in.signature_hash)
    )
    old = public_keys.spki(stand_in.private_key.public_key())
    info, algorithm = der.request_info(form.public_bytes(Encoding.DER), old, spki)
    made = x509.load_der_x509_csr(der.signed(info, algorithm, key.sign(info)))
    if not made.is_signature_valid:
        raise HttpcaError("the CSR's signature is not that of the key; nothing was written")
    return made
