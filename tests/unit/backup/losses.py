"""A role's folder is backed up and lost, and what was in it."""

from pathlib import Path

import pytest

from pipeline.cli import main

Output = pytest.CaptureFixture[str]


def back_up(ca: Path, role: str = "signer") -> Path:
    file = ca.parent / f"{role.replace('/', '-')}.tar"
    assert main(["backup", str(file), "--config", str(ca / role)]) == 0
    return file


def lose(ca: Path, role: str) -> Path:
    """Move a role's folder away, and return where it is now."""
    return (ca / role).rename(ca.parent / f"{role.replace('/', '-')}.lost")


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if ".db" not in path.name
    }
