"""Read a file that must be its owner's alone: a private key that others can read is no secret."""

import os
import stat
from pathlib import Path
from typing import Final

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
