"""Add an approver, renew a message identity, revoke one, in a folder that `httpca setup` made.

What is written goes where it belongs below that folder; a folder that lies on another host is made
anew and holds then just what is to be copied there. New certificates come into the trust folders
before the key that uses them is put in place, so that no message comes from somebody unknown.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509

from pipeline.crypto.identity import APPROVER_NAME, Sender
from pipeline.crypto.own_identity import CERTIFICATE, KEY
from pipeline.crypto.trust import REVOKED
from pipeline.errors import SettingsError
from pipeline.setup import files, installation, message_ca, settings_files
from pipeline.setup.installation import TRUSTED, TRUSTED_BY, Found
from pipeline.setup.message_ca import Issued, MessageCa
from pipeline.setup.options import SIDE_NAMES
from pipeline.stages import Role
from settings.load import FILE


@dataclass(frozen=True, slots=True)
class Change:
    """What was done: files made and moved, and certificates that this leaves beside the new one."""

    sender: Sender
    fingerprint: str
    until: datetime | None = None
    made: Sequence[Path] = field(default_factory=list)
    moved: Sequence[tuple[Path, Path]] = field(default_factory=list)
    old: Sequence[Path] = field(default_factory=list)


def check_name(name: str) -> None:
    """Check the name of an approver.

    Raises:
        SettingsError: it is none, or means a side.
    """
    if not APPROVER_NAME.fullmatch(name):
        problem = f"{name!r} is no name: 1 to 63 of a-z, 0-9, '.', '_', '-'"
        raise SettingsError("approver", "NAME", problem)
    if name in SIDE_NAMES:
        raise SettingsError("approver", "NAME", f"{name!r} means a side; choose another name")


def add_approver(
    directory: Path,
    name: str,
    authority: MessageCa,
    now: datetime,
    *,
    database: str,
    broker: str,
    passphrase: bytes | None = None,
) -> Change:
    """Make the folder of a new approver, and let the signer trust them.

    ``database`` and ``broker`` are URLs as in the approver's settings; ``passphrase`` encrypts the key.

    Raises:
        SettingsError: the name is none, or there is such an approver already.
    """
    check_name(name)
    sender = Sender(Role.APPROVER, name)
    own = installation.own_folder(directory, sender)
    if own.exists() or installation.known(directory, sender):
        problem = (
            f"there is an approver {name} already: `httpca setup renew {name}` makes a new"
            " certificate, and somebody else needs another name"
        )
        raise SettingsError(own, "", problem)
    issued = message_ca.issue(authority, sender, now)
    own.parent.mkdir(mode=0o700, exist_ok=True)
    files.folder(own)
    files.folder(own / "spool")
    files.write(own / FILE, settings_files.approver_of(name, database, broker))
    trusted = _trust(directory, sender, issued.certificate, authority)
    made = [*_put(own, issued, passphrase), own / FILE, *trusted]
    return _change(sender, issued, made)


def renew(
    directory: Path,
    sender: Sender,
    authority: MessageCa,
    now: datetime,
    passphrase: bytes | None = None,
) -> Change:
    """Make a new key and certificate for a side or an approver, trusted beside the old one.

    A running process takes them up by itself.

    Raises:
        SettingsError: no approver of that name is known here.
    """
    if sender.role is Role.APPROVER and not installation.known(directory, sender):
        who = ", ".join(sorted(_names(directory))) or "none"
        problem = f"no approver here is called {sender.name}; there are: {who}"
        raise SettingsError(directory, "", problem)
    old = [
        found.file
        for side in TRUSTED_BY[sender.role]
        for found in installation.trusted(directory, side)
        if found.certificate.sender == sender
    ]
    issued = message_ca.issue(authority, sender, now)
    trusted = _trust(directory, sender, issued.certificate, authority)
    own = installation.own_folder(directory, sender)
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _change(sender, issued, [*trusted, *_put(own, issued, passphrase)], old)


def revoke(directory: Path, sender: Sender, chosen: str = "") -> Change:
    """Move the trusted certificates of a side or an approver to ``revoked/``.

    ``chosen`` is the beginning of the fingerprint of the one that is meant; all, when it is empty.

    Raises:
        SettingsError: there is nothing to revoke.
    """
    chosen = chosen.replace(":", "").lower()
    moved: list[tuple[Path, Path]] = []
    fingerprints: set[str] = set()
    for side in TRUSTED_BY[sender.role]:
        for found in installation.trusted(directory, side):
            if found.certificate.sender == sender and found.fingerprint.startswith(chosen):
                moved.append((found.file, _revoke(directory / side / REVOKED, found)))
                fingerprints.add(found.fingerprint)
    if not moved:
        which = f" whose fingerprint begins with {chosen}" if chosen else ""
        problem = (
            f"no certificate of {sender.name}{which} lies in a trust folder here;"
            " see `httpca setup list`"
        )
        raise SettingsError(directory, "", problem)
    return Change(sender, ", ".join(sorted(fingerprints)), moved=moved)


def _names(directory: Path) -> set[str]:
    places = installation.own(directory), installation.trusted(directory, Role.SIGNER)
    senders = {found.certificate.sender for place in places for found in place}
    return {sender.name for sender in senders if sender.role is Role.APPROVER}


def _change(
    sender: Sender, issued: Issued, made: Sequence[Path], old: Sequence[Path] = ()
) -> Change:
    certificate = issued.certificate
    until = certificate.not_valid_after_utc
    return Change(sender, installation.fingerprint(certificate), until, made, [], old)


def _trust(
    directory: Path, sender: Sender, certificate: x509.Certificate, authority: MessageCa
) -> list[Path]:
    made = []
    prefix = "approver-" if sender.role is Role.APPROVER else ""
    name = f"{prefix}{sender.name}.{installation.fingerprint(certificate)[:12]}.pem"
    for side in TRUSTED_BY[sender.role]:
        folder = directory / side / TRUSTED
        if not folder.exists():  # that side lies on another host, which has the message CA already
            folder.mkdir(mode=0o700, parents=True)
            files.write_certificate(folder / "message-ca.pem", authority.certificate)
        files.write_certificate(folder / name, certificate)
        files.sync_folder(folder)
        made.append(folder / name)
    return made


def _put(own: Path, issued: Issued, passphrase: bytes | None) -> list[Path]:
    """Put key and certificate in place, whole, over those that were there."""
    tag = secrets.token_hex(8)
    key, certificate = own / f".{KEY}.{tag}", own / f".{CERTIFICATE}.{tag}"
    files.write_key(key, issued.key, passphrase)
    files.write_certificate(certificate, issued.certificate)
    key.replace(own / KEY)
    certificate.replace(own / CERTIFICATE)
    files.sync_folder(own)
    return [own / KEY, own / CERTIFICATE]


def _revoke(folder: Path, found: Found) -> Path:
    if not folder.exists():
        files.folder(folder)
        files.give_folder_to_owner(folder)
    # By its fingerprint, so that a later one of the same name finds room.
    target = folder / f"{found.file.stem.partition('.')[0]}.{found.fingerprint[:16]}.pem"
    found.file.replace(target)
    files.sync_folder(folder)
    files.sync_folder(found.file.parent)
    return target
