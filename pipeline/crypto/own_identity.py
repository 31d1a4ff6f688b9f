"""What a running process signs with: read again when its files have changed, so that a message
certificate is renewed without an outage.

What cannot be loaded, or speaks for somebody else, never takes effect: the old one stays. Between
the two files of a renewal, key and certificate do not fit, which is waited out for one look.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from pipeline.crypto import identity
from pipeline.crypto.identity import Identity, ensure_role
from pipeline.errors import SettingsError
from pipeline.stages import Role

log = structlog.get_logger(__name__)

LOOK_AGAIN: Final = 2.0
"""Seconds after which the files are looked at again."""

CERTIFICATE: Final = "message.pem"
KEY: Final = "message.key"

Passphrase = Callable[[], bytes | None]
Stamp = tuple[tuple[int, int, int], ...]


def _no_passphrase() -> bytes | None:
    return None


class OwnIdentity:
    """Calling it returns the identity of ``role`` in force, from ``message.pem`` and ``message.key``.

    ``passphrase`` returns that of the key, None when the key is not encrypted.

    Raises:
        SettingsError: a file is missing or wrong, others can read the key, or it is of another role.
    """

    def __init__(
        self,
        directory: Path,
        role: Role,
        passphrase: Passphrase = _no_passphrase,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory = directory
        self._role = role
        self._passphrase = passphrase
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._doubtful: Stamp | None = None
        self._said: Stamp | None = None
        self._looked = monotonic()
        self._identity = self._load()

    def __call__(self) -> Identity:
        """Return the identity in force."""
        with self._lock:
            if self._monotonic() - self._looked > LOOK_AGAIN:
                self._refresh()
            return self._identity

    def _refresh(self) -> None:
        self._looked = self._monotonic()
        stamp = self._look()
        if stamp == self._stamp:
            return
        try:
            found = self._load()
        except SettingsError as error:
            if stamp == self._doubtful and stamp != self._said:
                self._said = stamp
                log.error("message-identity-refused", problem=str(error))
            self._doubtful = stamp
            return
        self._stamp = stamp
        self._identity = found
        until = found.certificate.certificate.not_valid_after_utc
        log.info("message-identity-renewed", sender=found.sender.uri, until=until.isoformat())

    def _load(self) -> Identity:
        found = identity.load(
            self.directory / CERTIFICATE, self.directory / KEY, self._passphrase()
        )
        ensure_role(found, self._role, self.directory)
        return found

    def _look(self) -> Stamp:
        found = []
        for name in (CERTIFICATE, KEY):
            try:
                state = (self.directory / name).stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((state.st_ino, state.st_mtime_ns, state.st_ctime_ns))
        return tuple(found)
