"""A folder that `httpca setup` made, or what of it lies on this machine: who has an identity in it,
and which certificates each side trusts.

Names of files in ``trusted/`` are for people; who a certificate is for stands in the certificate.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from pipeline.crypto.certificates import certificate_from_pem
from pipeline.crypto.identity import MessageCertificate, Sender, read_certificate
from pipeline.crypto.own_identity import CERTIFICATE
from pipeline.crypto.trust import REVOKED
from pipeline.errors import SettingsError
from pipeline.stages import Role

SIDES: Final = (Sender(Role.WEB, "web"), Sender(Role.SIGNER, "signer"))

TRUSTED: Final = "trusted"

TRUSTED_BY: Final = {
    Role.WEB: ("web", "signer"),
    Role.SIGNER: ("web", "signer"),
    Role.APPROVER: ("signer",),
}
"""Which sides read messages of a role, and so have its certificates in ``trusted/``."""


@dataclass(frozen=True, slots=True)
class Found:
    """A message certificate, and the file that holds it."""

    file: Path
    certificate: MessageCertificate

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex."""
        return fingerprint(self.certificate.certificate)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate in hex, as `httpca setup list` shows it."""
    return certificate.fingerprint(SHA256()).hex()


def own_folder(directory: Path, sender: Sender) -> Path:
    """Return the folder that holds the key of ``sender``."""
    if sender.role is Role.APPROVER:
        return directory / "approvers" / sender.name
    return directory / sender.name


def sender_of(name: str) -> Sender:
    """Return whom a name on the command line means: a side, or else an approver."""
    return next((side for side in SIDES if side.name == name), Sender(Role.APPROVER, name))


def own(directory: Path) -> Iterator[Found]:
    """Return the certificate of each identity whose folder is here.

    Raises:
        SettingsError: a file is no message certificate.
    """
    files = [directory / side.name / CERTIFICATE for side in SIDES]
    files += sorted((directory / "approvers").glob(f"*/{CERTIFICATE}"))
    yield from (found for file in files if file.exists() for found in _read(file))


def trusted(directory: Path, side: str) -> Iterator[Found]:
    """Return the certificates in a side's trust folder, but for that of the message CA.

    Raises:
        SettingsError: a file is no message certificate.
    """
    for file in sorted((directory / side / TRUSTED).glob("*.pem")):
        yield from _read(file)


def revoked(directory: Path, side: str) -> Iterator[Found]:
    """Return the certificates that were revoked for a side.

    Raises:
        SettingsError: a file is no message certificate.
    """
    for file in sorted((directory / side / REVOKED).glob("*.pem")):
        yield from _read(file)


def known(directory: Path, sender: Sender) -> bool:
    """Say whether ``sender`` has an identity here, or some side trusts one."""
    places = [own(directory), *(trusted(directory, side) for side in TRUSTED_BY[sender.role])]
    return any(found.certificate.sender == sender for place in places for found in place)


def _read(file: Path) -> Iterator[Found]:
    try:
        certificate = certificate_from_pem(file.read_bytes())
        if not _is_authority(certificate):
            yield Found(file, read_certificate(certificate))
    except (OSError, ValueError) as error:
        raise SettingsError(file, "", f"is no message certificate: {error}") from error


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
