"""The lock: every package with its version and the hashes of its files."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS: Final = ROOT / "requirements"
FILES: Final = ("run.txt", "dev.txt")

_PIN: Final = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^ \\]+) \\\n", re.MULTILINE)
_HASH: Final = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")
_COMMENT: Final = re.compile(r" *#.*")


@dataclass(frozen=True)
class Lock:
    """One file of the lock: versions by name, and the lines that are neither pin, hash nor comment."""

    name: str
    versions: dict[str, str]
    hashes: dict[str, int]
    strangers: tuple[str, ...]


def read(name: str, folder: Path = REQUIREMENTS) -> Lock:
    """Read one file of the lock."""
    versions: dict[str, str] = {}
    hashes: dict[str, int] = {}
    strangers = []
    current = ""
    for line in (folder / name).read_text("utf-8").splitlines(keepends=True):
        if pin := _PIN.fullmatch(line):
            current = pin["name"]
            versions[current] = pin["version"]
            hashes[current] = 0
        elif _HASH.fullmatch(line.rstrip("\n")):
            hashes[current] += 1
        elif line.strip() and not _COMMENT.fullmatch(line.rstrip("\n")):
            strangers.append(line.strip())
    return Lock(name, versions, hashes, tuple(strangers))


def wanted(file: Path = ROOT / "pyproject.toml") -> Iterator[tuple[str, Requirement]]:
    """Yield what the project asks for, each with the file of the lock that must hold it."""
    content = tomllib.loads(file.read_text("utf-8"))
    project = content["project"]
    for text in (*project["dependencies"], *content["build-system"]["requires"]):
        yield "run.txt", Requirement(text)
    for text in project["optional-dependencies"]["dev"]:
        yield "dev.txt", Requirement(text)


def problems(locks: dict[str, Lock], asked: Iterator[tuple[str, Requirement]]) -> Iterator[str]:
    """Yield what is wrong with the lock by itself."""
    for lock in locks.values():
        for line in lock.strangers:
            yield f"{lock.name}: {line!r} is no package with version and hashes"
        for name, count in lock.hashes.items():
            if not count:
                yield f"{lock.name}: {name} has no hash"
    for name, version in locks["run.txt"].versions.items():
        other = locks["dev.txt"].versions.get(name)
        if other != version:
            yield f"{name} is {version} in run.txt and {other} in dev.txt; run `make lock`"
    for file, requirement in asked:
        found = locks[file].versions.get(canonicalize_name(requirement.name))
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            yield f"pyproject.toml asks for {requirement}, and {file} has {found}; run `make lock`"
