"""Files that must be their owner's alone: a private key that others can read is no secret."""

import os
import stat
from pathlib import Path
from typing import IO, Final

from pipeline.errors import SettingsError

OTHERS: Final = 0o077
"""The rights of a file's group and of everybody else."""


def read(path: Path) -> bytes:
    """Return what is in a file to which nobody but its owner has any right.

    Raises:
        OSError: it is not there, or we may not read it.
        SettingsError: its group or everybody has a right to it.
    """
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & OTHERS:
            problem = (
                f"others than its owner have rights to this key (mode {mode:04o}):"
                f" chmod 600 {path}, and renew it if somebody may have read it"
            )
            raise SettingsError(path, "", problem)
        return file.read()


def create(path: Path) -> IO[bytes]:
    """Open a new file that only its owner can read.

    Raises:
        FileExistsError: there is one already; nothing is ever overwritten.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    give_to_owner_of(path.parent, descriptor)
    return os.fdopen(descriptor, "wb")


def give_to_owner_of(folder: Path, descriptor: int) -> None:
    """When root writes into the folder of a service's account, let what is open belong to that account.

    Never by a name: the account could put a link there, and be given what it leads to.
    """
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
