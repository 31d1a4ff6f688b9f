"""What an operator names a key by: a certificate's serial number, a fingerprint, or a file."""

import re
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from pipeline.crypto import key_lists
from pipeline.database.engine import Database
from pipeline.errors import HttpcaError
from pipeline.signer import blocked_keys

_LARGEST: Final = 256 * 1024 * 1024
_SERIAL: Final = re.compile(r"[0-9a-f]{1,40}")
_PEM: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)


class UnknownName(HttpcaError):
    """What an operator named a key by is none of the forms, or names nothing."""


def key_names(database: Database, wanted: str) -> list[str]:
    """Return the names, as the block list has them, of what an operator named.

    A file may be a certificate, a CSR, a public or an unencrypted private key (of which nothing but
    its public key is used), in PEM or DER, or a list.

    Raises:
        UnknownName: it is nothing of that.
    """
    path = Path(wanted)
    if path.is_file():
        return _in_file(path)
    name = wanted.replace(":", "").lower()
    if key_lists.NAME.fullmatch(name):
        return [name]
    if not _SERIAL.fullmatch(name):
        raise UnknownName(
            f"{wanted} is no file, no serial number and no fingerprint (SHA-256 of the"
            " SubjectPublicKeyInfo, 64 hex digits)"
        )
    certificate = blocked_keys.certificate_of(database, f"{name:0>40}")
    if certificate is None:
        raise UnknownName(f"this signer has issued no certificate with the serial number {wanted}")
    return [_fingerprint(x509.load_der_x509_certificate(certificate).public_key())]


def _in_file(path: Path) -> list[str]:
    if path.stat().st_size > _LARGEST:
        raise UnknownName(f"{path}: is larger than any list of keys")
    octets = path.read_bytes()
    try:
        blocks = [(match[1].decode(), match[0]) for match in _PEM.finditer(octets)]
        if blocks:
            return list(dict.fromkeys(_fingerprint(_in_pem(*block)) for block in blocks))
        if (
            b"\x00" in octets
        ):  # the bits of every key begin with it (BIT STRING), and no text has it
            return [_fingerprint(_in_der(octets))]
        return key_lists.read(octets.decode("utf-8").splitlines())
    except (ValueError, TypeError) as error:
        # A library's own words would not tell an operator what to do.
        why = str(error) if isinstance(error, key_lists.NotAList) else "cannot be read"
        raise UnknownName(
            f"{path}: {why}; a file is a certificate, a CSR, a key without a passphrase, or a list of"
            " fingerprints"
        ) from None


def _in_pem(label: str, block: bytes) -> PublicKeyTypes:
    if label in ("CERTIFICATE", "X509 CERTIFICATE"):
        return x509.load_pem_x509_certificate(block).public_key()
    if label.endswith("CERTIFICATE REQUEST"):
        return x509.load_pem_x509_csr(block).public_key()
    if label.endswith("PRIVATE KEY"):
        return load_pem_private_key(block, None).public_key()
    return load_pem_public_key(block)


def _in_der(octets: bytes) -> PublicKeyTypes:
    for load in (x509.load_der_x509_certificate, x509.load_der_x509_csr):
        try:
            return load(octets).public_key()
        except ValueError:
            continue
    return load_der_public_key(octets)


def _fingerprint(key: PublicKeyTypes) -> str:
    return key_lists.fingerprint(key)
