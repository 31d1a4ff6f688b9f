"""A hook: a command or a webhook of the operator's, told something in JSON.

It gets nothing of ours: no environment but a path to look for programs, no key, no connection. One
that fails, or takes longer than its time, raises; what was to be told is not told again by this.
"""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Any, Final

from pipeline.errors import HttpcaError

ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}

SHOWN: Final = 300
"""Characters of what a command complains of that reach the log."""


class HookFailed(HttpcaError):
    """The hook did not do what it was there for; the sentence says how."""


def run_command(argv: Sequence[str], told: Mapping[str, Any], timeout: float) -> None:
    """Run a command, without a shell, with what it is told as JSON on its standard input.

    After ``timeout`` seconds it is ended, with all that it started.

    Raises:
        HookFailed: it cannot be started, takes too long, or ends with an error.
    """
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise HookFailed(f"the command {argv[0]!r} cannot be started: {error}") from error
    try:
        _, complaint = process.communicate(json.dumps(told).encode("ascii"), timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        # Not to be read to its end: what left for a session of its own may hold it open for ever.
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        process.stderr.close()
        process.wait()
        raise HookFailed(f"the command {argv[0]!r} took longer than {timeout:g} seconds") from None
    if process.returncode:
        shown = complaint.decode("utf-8", "replace")[:SHOWN]
        raise HookFailed(f"the command {argv[0]!r} ended with {process.returncode}: {shown!r}")


def post(url: str, told: Mapping[str, Any], timeout: float) -> None:
    """Post what is told as JSON to a URL; ``timeout`` is in seconds. Redirections are refused.

    Raises:
        HookFailed: it cannot be reached in time, or answers with anything but success.
    """
    request = urllib.request.Request(  # noqa: S310 - the settings admit http and https only
        url,
        json.dumps(told).encode("ascii"),
        {"Content-Type": "application/json", "User-Agent": "httpca"},
        method="POST",
    )
    try:
        with _OPENER.open(request, timeout=timeout):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        raise HookFailed(f"the webhook answered {error.code}") from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise HookFailed(f"the webhook cannot be reached: {reason}") from None


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """What was told to one address is not for another."""

    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        """Refuse."""


_OPENER: Final = urllib.request.build_opener(_NoRedirection)
