"""The yardstick L: certificates per second that bare cryptography makes on one core.

Parse and verify a P-256 CSR, build the certificate with the server profile's extensions, sign it
with a P-256 key, encode it. Nothing of HttpCA is imported here.
"""

import datetime
import json
import secrets
import sys
import time

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROUND = 200
"""Certificates between two looks at the clock."""


def certification_request() -> bytes:
    """Return a CSR in DER for one DNS name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.SubjectAlternativeName([x509.DNSName(f"{secrets.token_hex(4)}.test")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.add_extension(name, True).sign(key, SHA256()).public_bytes(Encoding.DER)


def certificate(
    octets: bytes,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    authority: x509.AuthorityKeyIdentifier,
) -> bytes:
    """Return the certificate for a CSR, both in DER."""
    csr = x509.load_der_x509_csr(octets)
    if not csr.is_signature_valid:
        raise ValueError("the CSR's signature is wrong")
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    public_key = csr.public_key()
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(int.from_bytes(secrets.token_bytes(19)) + 1)
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(usage, True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(names, True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
        .add_extension(authority, False)
        .sign(key, SHA256())
        .public_bytes(Encoding.DER)
    )


def rate(seconds: float) -> float:
    """Return certificates per second of this process's CPU time, measured for so many seconds."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Issuing CA")])
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    requests = [certification_request() for _ in range(ROUND)]
    count, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        for octets in requests:
            certificate(octets, issuer, key, authority)
        count += ROUND
    return count / spent


if __name__ == "__main__":
    json.dump(rate(float(sys.argv[1])), sys.stdout)
