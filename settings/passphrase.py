"""Where the passphrase of a key, or the PIN of a token, comes from.

``file:PATH`` is a file with one line; ``credential:NAME`` what systemd hands over (LoadCredential=);
``prompt`` asks at the terminal. Never a command line or a variable, which others can read.
"""

import getpass
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pipeline.errors import SettingsError

SOURCES: Final = "file:PATH, credential:NAME, prompt"

CREDENTIAL: Final = "passphrase"
"""The name of the credential that is looked for when no source is named."""

_FOLDER: Final = "CREDENTIALS_DIRECTORY"
_FILE, _CREDENTIAL, _PROMPT = "file:", "credential:", "prompt"


def is_source(source: str) -> bool:
    """Say whether this names a place that a passphrase can come from."""
    if source.startswith(_CREDENTIAL):
        name = source.removeprefix(_CREDENTIAL)
        return bool(name) and "/" not in name and name not in (".", "..")
    return source == _PROMPT or (len(source) > len(_FILE) and source.startswith(_FILE))


def read_secret(source: str, directory: Path, what: str) -> bytes:
    """Return a passphrase or PIN.

    ``source`` is one of ``SOURCES``; when empty, the credential ``passphrase`` is taken, and else a
    prompt. A relative path is below ``directory``. ``what`` says what it is for ("the PIN of ...").

    Raises:
        SettingsError: it cannot be had there, is empty, or has several lines.
    """
    if source.startswith(_FILE):
        return read_passphrase(directory / source.removeprefix(_FILE))
    if source.startswith(_CREDENTIAL):
        return read_passphrase(_credential(source.removeprefix(_CREDENTIAL), what))
    if not source and _FOLDER in os.environ:
        credential = _credential(CREDENTIAL, what)
        if credential.exists():
            return read_passphrase(credential)
    return _ask(what)


def read_passphrase(file: Path) -> bytes:
    """Return the passphrase: the whole file but for the end of its last line.

    Raises:
        SettingsError: the file cannot be read, is empty, or has several lines.
    """
    try:
        found = file.read_bytes()
    except OSError as error:
        raise SettingsError(file, "", f"the passphrase cannot be read: {error.strerror}") from error
    passphrase = found.removesuffix(b"\n").removesuffix(b"\r")
    if not passphrase or b"\n" in passphrase:
        raise SettingsError(file, "", "a passphrase file holds one line: the passphrase")
    return passphrase


def _credential(name: str, what: str) -> Path:
    folder = os.environ.get(_FOLDER)
    if folder is None:
        problem = (
            f"{what} should be systemd's credential {name!r}, but systemd handed over none:"
            f" write LoadCredential={name}:FILE into the unit"
        )
        raise SettingsError(f"credential {name}", "", problem)
    return Path(folder) / name


def _ask(what: str) -> bytes:
    if not sys.stdin.isatty():
        problem = (
            "is needed, and there is no terminal to ask for it: name its source in settings.toml"
            f" ({SOURCES}), or let systemd hand over the credential {CREDENTIAL!r}"
        )
        raise SettingsError(what, "", problem)
    with _interruptible():
        answer = getpass.getpass(f"{what[:1].upper()}{what[1:]}: ").encode()
    if not answer:
        raise SettingsError(what, "", "nothing was entered")
    return answer


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a prompt also in a process that otherwise ends when its work is done."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
