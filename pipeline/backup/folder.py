"""The files of a role's folder, as they go into a backup and come out of one."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

from pipeline.backup.errors import BackupError

_PRIVATE: Final = b"PRIVATE KEY-----"
_ENCRYPTED: Final = (b"ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")


def collect(directory: Path, without: Collection[Path]) -> tuple[list[str], dict[str, bytes]]:
    """Return the folders and the files below ``directory``, by their paths there.

    A file that goes while we look is left out: a spool is emptied, a draft becomes its file.

    Raises:
        BackupError: something is neither a file nor a folder.
    """
    folders: list[str] = []
    files: dict[str, bytes] = {}
    for place, _, names in os.walk(directory, onerror=_raise):
        if Path(place) != directory:
            folders.append(Path(place).relative_to(directory).as_posix())
        for entry in sorted(Path(place).iterdir()):
            if entry.is_symlink() or not (entry.is_dir() or entry.is_file() or not entry.exists()):
                raise BackupError(
                    f"{entry} is neither a file nor a folder; replace it by what it stands for"
                )
        for name in names:
            path = Path(place, name)
            if path in without:
                continue
            try:
                files[path.relative_to(directory).as_posix()] = path.read_bytes()
            except FileNotFoundError:
                continue
    return folders, files


def plain_keys(files: dict[str, bytes]) -> list[str]:
    """Return the paths of the private keys (PEM) that no passphrase protects."""
    return sorted(
        path
        for path, octets in files.items()
        if _PRIVATE in octets and not any(mark in octets for mark in _ENCRYPTED)
    )


def _raise(error: OSError) -> None:
    raise error
