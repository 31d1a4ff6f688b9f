"""Which message certificates a side accepts.

One is accepted when a message CA in the side's ``trusted/`` folder issued it **and** the
certificate itself lies in that folder. So a stolen message CA key alone makes nobody an approver,
and to revoke somebody is to move a file, from ``trusted/`` to ``revoked/`` beside it. A certificate
in ``revoked/`` is not accepted wherever else it lies, so that a restored copy does not bring it back.

Both folders are read again when they have changed: at start a file that is no message certificate
is an error, later it is only not trusted, so that a broken file can neither stop a running side nor
keep a revocation from taking effect.
"""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509

from pipeline.crypto import key_lists
from pipeline.crypto.certificates import (
    certificate_from_pem,
    extension_of,
    is_issued_by,
    public_key_of,
)
from pipeline.crypto.identity import MessageCertificate, Sender, read_certificate
from pipeline.errors import MessageRefused, SettingsError, in_words

log = structlog.get_logger(__name__)

LOOK_AGAIN: Final = 2.0
"""Seconds after which the folders are looked at again; at once for a certificate that is unknown, so
that a renewed one is believed from its first message on."""

REVOKED: Final = "revoked"
"""The folder beside ``trusted/`` for certificates that were revoked."""

Stamp = tuple[tuple[Path, int, int, int], ...]


class Trust:
    """The accepted certificates of one folder, by thumbprint, and the revoked ones beside it."""

    def __init__(self, folder: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self._revoked_folder = folder.parent / REVOKED
        self._monotonic = monotonic
        self._stamp: Stamp | None = None
        self._looked = float("-inf")
        self._accepted: dict[str, MessageCertificate] = {}
        self._revoked: dict[str, MessageCertificate] = {}
        self.authorities: list[x509.Certificate] = []
        self._keys: frozenset[str] = frozenset()
        self.problems: list[SettingsError] = []
        self.refresh()
        if self.problems:
            raise self.problems[0]

    def accept(self, thumbprint: str, moment: datetime) -> MessageCertificate:
        """Return the accepted certificate with this thumbprint, valid at ``moment``.

        Raises:
            MessageRefused: it is not accepted, or not valid now.
        """
        self._look_again()
        certificate = self._accepted.get(thumbprint)
        if certificate is None:
            self.refresh()
            certificate = self._accepted.get(thumbprint)
        if certificate is None:
            revoked = self._revoked.get(thumbprint)
            if revoked is not None:
                raise MessageRefused("certificate-revoked", revoked.sender.name)
            raise MessageRefused("unknown-certificate")
        certificate.check_time(moment)
        return certificate

    def certificates(self) -> list[MessageCertificate]:
        """Return every certificate that is accepted, or was while it was valid."""
        self._look_again()
        return list(self._accepted.values())

    def keys(self) -> frozenset[str]:
        """Return the fingerprints (see ``key_lists``) of all keys here, the revoked ones too: those
        of the message CA and of everybody who signs messages."""
        self._look_again()
        return self._keys

    def knows(self, sender: Sender) -> bool:
        """Say whether any certificate of ``sender`` is accepted, be its time over or not."""
        return any(certificate.sender == sender for certificate in self.certificates())

    def is_revoked(self, thumbprint: str) -> bool:
        """Say whether the certificate with this thumbprint was revoked."""
        self._look_again()
        return thumbprint in self._revoked

    def _look_again(self) -> None:
        if self._monotonic() - self._looked > LOOK_AGAIN:
            self.refresh()

    def refresh(self) -> None:
        """Read the folders again if a file in them has come, gone or changed.

        What is wrong with it is logged, and stands in ``problems`` afterwards; what cannot be read is
        not trusted, and tried again at the next look.
        """
        self._looked = self._monotonic()
        stamp = self._look()
        if stamp == self._stamp:
            return
        problems: list[SettingsError] = []
        unread: set[Path] = set()
        lying_here, senders = self._read(self.folder, problems, unread)
        former, revoked = self._read(self._revoked_folder, problems, unread)
        authorities = [one for one in lying_here if one not in former]
        if not authorities:
            missing = "no message CA certificate lies here (trusted/message-ca.pem)"
            problems.append(SettingsError(self.folder, "", missing))
        self._revoked = {sender.thumbprint: sender for sender in revoked}
        self._accepted = {
            sender.thumbprint: sender
            for sender in senders
            if sender.thumbprint not in self._revoked
            and any(is_issued_by(sender.certificate, authority) for authority in authorities)
        }
        self.authorities = authorities
        known = [*lying_here, *former, *(sender.certificate for sender in (*senders, *revoked))]
        self._keys = frozenset(key_lists.fingerprint(one.public_key()) for one in known)
        self._stamp = tuple((one[0], 0, 0, 0) if one[0] in unread else one for one in stamp)
        said = {str(problem) for problem in self.problems}
        self.problems = problems
        for problem in problems:
            if str(problem) not in said:
                log.error("trusted-file-refused", problem=str(problem))

    def _look(self) -> Stamp:
        """Return what shows that a file came, went or changed; one that cannot be looked at shows
        as gone."""
        found = []
        for file in [*_files(self.folder), *_files(self._revoked_folder)]:
            try:
                state = file.stat()
            except OSError:
                found.append((file, 0, 0, 0))
            else:
                found.append((file, state.st_mtime_ns, state.st_ctime_ns, state.st_size))
        return tuple(found)

    def _read(
        self, folder: Path, problems: list[SettingsError], unread: set[Path]
    ) -> tuple[list[x509.Certificate], list[MessageCertificate]]:
        authorities: list[x509.Certificate] = []
        senders: list[MessageCertificate] = []
        for file in _files(folder):
            try:
                certificate = certificate_from_pem(file.read_bytes())
                public_key_of(certificate)  # of a kind that is not known, it issued nothing
                if _is_authority(certificate):
                    authorities.append(certificate)
                else:
                    senders.append(read_certificate(certificate))
            except Exception as error:  # noqa: BLE001 - whatever is in one file, the others count
                if isinstance(error, OSError):  # of the disk, or of too many open files, for now
                    unread.add(file)
                problem = f"this is no message certificate: {in_words(error)}"
                problems.append(SettingsError(file, "", problem))
        return authorities, senders


def _files(folder: Path) -> list[Path]:
    # A folder that is not there holds nothing: then nobody is trusted.
    return sorted(file for file in folder.glob("*.pem") if not file.name.startswith("."))


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = extension_of(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca
