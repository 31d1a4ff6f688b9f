"""Certificates, made in the steps in which the signer makes one, and what openssl says of them."""

import re
import subprocess
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto import check
from pipeline.crypto import csr as csrs
from pipeline.crypto.csr import Csr
from pipeline.crypto.profile import Profile
from pipeline.signer import authority
from pipeline.signer.issuer import Issuer
from tests.factories import NOW, issuer, new_serial, openssl, openssl_csr, profile, write


def issue(
    csr: Csr, made_by: Profile | None = None, by: Issuer | None = None, now: datetime = NOW
) -> x509.Certificate:
    """Return a certificate, checked and made in the steps in which the signer makes one."""
    by = by or issuer()
    made_by = made_by or profile()
    check.check(csr, made_by)
    prepared = authority.prepare(csr, made_by, by, now, new_serial())
    assert prepared.certificate  # the library makes the same of it
    der = authority.assemble(prepared.tbs, authority.sign(prepared.tbs, by))
    authority.verify(der, prepared.tbs, csr, made_by, by)
    return x509.load_der_x509_certificate(der)


def pem(*certificates: x509.Certificate) -> Path:
    """Return a file with the certificates."""
    return write(b"".join(one.public_bytes(Encoding.PEM) for one in certificates))


def text_of(certificate: x509.Certificate) -> str:
    """Return what openssl prints of a certificate, with one space for all white space."""
    text = openssl("x509", "-noout", "-text", octets=certificate.public_bytes(Encoding.PEM))
    return re.sub(r"\s+", " ", text.decode())


AT_NOW = ("-attime", str(int(NOW.timestamp())))
ANY_TIME = ("-no_check_time",)
"""What openssl issues begins at its own time, which is not that of the tests."""


def verdict(
    leaf: Path, by: Issuer, *between: x509.Certificate, options: tuple[str, ...] = AT_NOW
) -> str:
    """Return what `openssl verify` says of a certificate under the root."""
    arguments = ["verify", "-x509_strict", *options]
    arguments += ["-CAfile", str(pem(x509.load_der_x509_certificate(by.root)))]
    arguments += ["-untrusted", str(pem(by.certificate, *between)), str(leaf)]
    done = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
    return (done.stdout + done.stderr).decode()


def read_csr_of_subject(subject: str, key: str = "ec:P-256") -> Csr:
    """Return a CSR of openssl with this subject and no name."""
    return csrs.read(openssl_csr(key, (), subject))
