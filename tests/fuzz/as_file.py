"""Octets as a file, for what reads files."""

import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory


@cache
def memory_folder() -> Path:
    """Return a folder in memory if there is one: each input is a file for a moment."""
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    kept = TemporaryDirectory(prefix="httpca-fuzz-", dir=where, ignore_cleanup_errors=True)
    _kept.append(kept)
    return Path(kept.name)


_kept: list[TemporaryDirectory[str]] = []


def as_file(name: str, octets: bytes) -> Path:
    """Return a file of that name with these octets, until the next one of that name."""
    path = memory_folder() / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(octets)
    return path
