"""What a newcomer has before they begin: an empty home, and somewhere to clone from."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

KEPT: Final = ("LANG", "TERM")
"""Variables that a newcomer's shell has, too; PATH and those of pip are looked after below."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Folders of one run, and the environment of its terminals.

    ``address`` is what to clone; ``work`` where to; ``own`` is for the tool's files.
    """

    address: str
    work: Path
    own: Path
    environment: Mapping[str, str]


@contextmanager
def newcomer(*, work_tree: bool) -> Iterator[Newcomer]:
    """Make all that a newcomer has, and remove it with what they made."""
    with tempfile.TemporaryDirectory(prefix="httpca-readme-") as name:
        folder = Path(name)
        # PostgreSQL, which root starts as another user, has its data below.
        folder.chmod(0o755)
        for part in ("home", "tmp", "work", "own"):
            (folder / part).mkdir()
        address = _work_tree(folder / "own" / "source") if work_tree else ROOT
        yield Newcomer(
            address=str(address),
            work=folder / "work",
            own=folder / "own",
            environment=_environment(folder / "home", folder / "tmp"),
        )


def _environment(home: Path, tmp: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    # What this checkout has installed is not what the clone will have.
    path = [
        entry
        for entry in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if not Path(entry).resolve().is_relative_to(ROOT)
    ]
    return {
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        **kept,
        **pip,
        "PIP_CACHE_DIR": str(home / ".cache" / "pip"),
        "PATH": os.pathsep.join(path),
        "HOME": str(home),
        "TMPDIR": str(tmp),
    }


def _work_tree(source: Path) -> Path:
    """Commit all files of this checkout that git does not ignore to a repository of its own."""
    listed = _git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        file = ROOT / name
        if file.exists():  # else it was removed, and that is not committed yet
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, source / name, follow_symlinks=False)
    _git(source, "init", "--quiet", "--initial-branch=main")
    _git(source, "add", "--all", "--force")
    author = ("-c", "user.name=readme", "-c", "user.email=readme@localhost")
    _git(source, *author, "commit", "--quiet", "--no-verify", "--message=As it is on the disk")
    return source


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
