"""The policy in force: read again when its file has changed.

A file that is wrong never takes effect and never stops a running signer: the old policy stays.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog

from pipeline.errors import SettingsError
from pipeline.signer.policy import Policy
from pipeline.signer.policy_file import load

log = structlog.get_logger(__name__)

LOOK_AGAIN: Final = 2.0
"""Seconds after which the file is looked at again."""

Stamp = tuple[int, int, int, int]
Loaded = Callable[[Policy], None]
Problem = Callable[[str], None]
Unfit = Callable[[Policy], Iterable[str]]


def _nothing_noted(_problem: str) -> None:
    """For those who keep no record."""


def _nothing_unfit(_policy: Policy) -> Iterable[str]:
    """For those who know of no approvers."""
    return ()


class PolicySource:
    """Calling it returns the policy in force.

    ``loaded`` is told of each policy before it takes effect; when it raises, the old one stays and
    the next look tries again: no audit entry, no action. ``issuers`` are the issuing CAs that
    profiles may name. ``troubled`` is told of what is wrong with the file, once until that changes,
    and "" when it is right again. ``unfit`` says why a policy that is right in itself cannot work
    here. Such a one does not take effect; but a signer that starts has no other, and starts with it,
    since what needs no approver can go on.
    """

    def __init__(
        self,
        path: Path,
        loaded: Loaded,
        monotonic: Callable[[], float] = time.monotonic,
        issuers: Sequence[str] | None = None,
        troubled: Problem = _nothing_noted,
        unfit: Unfit = _nothing_unfit,
    ) -> None:
        self.path = path
        self._issuers = issuers
        self._loaded = loaded
        self._monotonic = monotonic
        self._troubled = troubled
        self._unfit = unfit
        self._lock = threading.Lock()
        self._problem = ""
        self._stamp: Stamp | None = self._look()
        self._looked = monotonic()
        self._policy = load(path, issuers)
        loaded(self._policy)
        self._say(self._why_unfit(self._policy))

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
            self._say(str(SettingsError(self.path, "", f"cannot be read: {error.strerror}")))
            self._stamp = None  # whatever lies there next is looked at
            return
        # A file that is wrong is read at every look: who is trusted, or may read it, may change.
        if stamp == self._stamp and not self._problem:
            return
        try:
            policy = load(self.path, self._issuers)
            unfit = self._why_unfit(policy)
        except SettingsError as error:
            self._say(str(error))
            return
        if policy.digest != self._policy.digest:
            if unfit:
                self._say(unfit)
                return
            self._loaded(policy)
            log.info("policy-loaded", digest=policy.digest, rules=len(policy.rules))
        self._policy, self._stamp = policy, stamp
        self._say(unfit)

    def _why_unfit(self, policy: Policy) -> str:
        problems = "; ".join(self._unfit(policy))
        return f"{self.path}: {problems}" if problems else ""

    def _say(self, problem: str) -> None:
        """Log and note what is wrong, when it is not what was said last."""
        if problem == self._problem:
            return
        self._troubled(problem)
        self._problem = problem
        if problem:
            log.error("policy-refused", problem=problem)
        else:
            log.info("policy-file-right-again", path=str(self.path))

    def _look(self) -> Stamp:
        # Tools that copy files keep time and size, but not the time at which the file was put there.
        found = self.path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
