"""The policy in force: read again when its file has changed.

A file that is wrong never takes effect and never stops a running signer: the old policy stays.
"""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from pipeline.errors import SettingsError
from pipeline.signer.policy import Policy
from pipeline.signer.policy_file import load

log = structlog.get_logger(__name__)

LOOK_AGAIN: Final = 2.0
"""Seconds after which the file is looked at again."""

Loaded = Callable[[Policy], None]


class PolicySource:
    """Calling it returns the policy in force.

    ``loaded`` is told of each policy before it takes effect; when it raises, the old one stays and
    the next look tries again: no audit entry, no action. ``issuers`` are the issuing CAs that
    profiles may name.
    """

    def __init__(
        self,
        path: Path,
        loaded: Loaded,
        monotonic: Callable[[], float] = time.monotonic,
        issuers: Sequence[str] | None = None,
    ) -> None:
        self.path = path
        self._issuers = issuers
        self._loaded = loaded
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._looked = monotonic()
        self._policy = load(path, issuers)
        loaded(self._policy)

    def __call__(self) -> Policy:
        """Return the policy in force."""
        with self._lock:
            if self._monotonic() - self._looked > LOOK_AGAIN:
                self._refresh()
            return self._policy

    def _refresh(self) -> None:
        self._looked = self._monotonic()
        try:
            stamp = self._look()
        except OSError as error:
            log.error("policy-unreadable", error=type(error).__name__)
            return
        if stamp == self._stamp:
            return
        try:
            policy = load(self.path, self._issuers)
        except SettingsError as error:
            log.error("policy-refused", problem=str(error))
            if not isinstance(error.__cause__, OSError):  # what could not be read is tried again
                self._stamp = stamp
            return
        if policy.digest != self._policy.digest:
            self._loaded(policy)
            log.info("policy-loaded", digest=policy.digest, rules=len(policy.rules))
        self._policy, self._stamp = policy, stamp

    def _look(self) -> tuple[int, int]:
        found = self.path.stat()
        return found.st_mtime_ns, found.st_size
