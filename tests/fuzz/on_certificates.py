"""Certificates and keys that lie in a side's folder, and what the signer reads back of its own."""

from pathlib import Path
from typing import Final

from pipeline.crypto import identity
from pipeline.crypto.trust import Trust
from pipeline.errors import ItemFailed, SettingsError
from pipeline.signer import authority
from pipeline.signer.issuer import load_issuer
from tests import factories
from tests.fuzz import mutators, on_csrs
from tests.fuzz.as_file import as_file
from tests.fuzz.target import Target


def read_certificate(octets: bytes) -> None:
    """Take octets for a TBS, a certificate, a trusted file and an issuing CA's file.

    Raises:
        ItemFailed: as a TBS.
        SettingsError: as a file.
    """
    csr, issuer = factories.read_csr(), on_csrs.issuer()
    door = octets[0] % 4 if octets else 0
    content = octets[1:]
    if door == 0:
        authority.ensure_usable(content, issuer, factories.NOW)
        authority.assemble(content, b"signature")
    elif door == 1:
        authority.verify(content, content, csr, on_csrs.generous(), issuer)
    elif door == 2:
        trusted = as_file("trusted/one.pem", content).parent
        Trust(trusted)
    else:
        file = as_file("issuing.pem", content)
        load_issuer(file, file, None, factories.NOW)


def read_identity(octets: bytes) -> None:
    """Take octets for a message key, and for its certificate."""
    recorded_in = Path(__file__).resolve().parent.parent / "recorded"
    file = as_file("message.key", octets[1:])
    file.chmod(0o600)
    if octets and octets[0] & 1:
        identity.load(recorded_in / "trusted" / "web.pem", file)
    else:
        identity.load(file, recorded_in / "keys" / "web.key")


CERTIFICATE: Final = Target(
    "certificate",
    read_certificate,
    (ItemFailed, SettingsError),
    (
        "pipeline.crypto.der",
        "pipeline.crypto.trust",
        "pipeline.crypto.identity",
        "pipeline.signer.authority",
        "pipeline.signer.issuer",
    ),
    mutators.after_byte(mutators.der),
    ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"),
)
IDENTITY: Final = Target(
    "identity",
    read_identity,
    (SettingsError,),
    ("pipeline.crypto.identity", "pipeline.crypto.private_file"),
    words=("-----BEGIN PRIVATE KEY-----", "-----BEGIN ENCRYPTED PRIVATE KEY-----"),
)
