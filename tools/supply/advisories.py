"""Known weaknesses of what is locked: ``python -m tools.supply.advisories`` asks, the file remembers.

``requirements/advisories.json`` holds the advisories that are known to us, each with the first version
without the weakness, and when all of the lock was last looked up. Nothing is remembered of a look-up
that missed one package: pip-audit alone would call that clean.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from packaging.version import Version

from tools.supply.lock import REQUIREMENTS, Lock, read

FILE: Final = REQUIREMENTS / "advisories.json"
AUDITED: Final = "dev.txt"
"""It holds everything of run.txt too."""


def remembered(file: Path = FILE) -> dict[str, Any]:
    """Return what the file says."""
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def problems(known: dict[str, Any], locks: dict[str, Lock]) -> Iterator[str]:
    """Yield the locked packages that an advisory speaks of and no one has accepted."""
    for one in known["advisories"]:
        for lock in locks.values():
            version = lock.versions.get(one["package"])
            fixed = one["fixed"]
            weak = version and (fixed is None or Version(version) < Version(fixed))
            if weak and not one.get("accepted"):
                yield f"{lock.name}: {one['package']} {version} has {one['id']}: {one['what']}"


def standing(known: dict[str, Any], folder: Path = REQUIREMENTS) -> str:
    """Return a sentence on how far the file can be believed."""
    count = len(known["advisories"])
    if not known["looked_up"]:
        when = "the whole lock was NEVER looked up (make advisories)"
    elif known["lock"] != digest(folder):
        when = f"last look-up {known['looked_up']}, of ANOTHER lock (make advisories)"
    else:
        when = f"whole lock looked up on {known['looked_up']}"
    return f"{count} advisories remembered; {when}"


def digest(folder: Path = REQUIREMENTS) -> str:
    """Return the SHA-256 of what is looked up."""
    return hashlib.sha256((folder / AUDITED).read_bytes()).hexdigest()


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip_audit", "--strict", "--require-hashes"]
        command += ["--disable-pip", "--progress-spinner", "off", "--format", "json"]
        command += ["--output", str(report), "--requirement", str(REQUIREMENTS / AUDITED)]
        status = subprocess.run(command, check=False).returncode
        found = json.loads(report.read_text()) if report.exists() else {"dependencies": []}
    try:
        merge(found, status)
    except LookupError as error:
        print(f"Nothing was remembered: {error}")
        return 1
    known = remembered()
    open_ones = list(problems(known, {AUDITED: read(AUDITED)}))
    print("\n".join([*open_ones, standing(known)]))
    return 1 if open_ones else 0


def merge(report: dict[str, Any], status: int, file: Path = FILE) -> None:
    """Take in a report of pip-audit.

    Raises:
        LookupError: it does not speak of every package of the lock.
    """
    versions = read(AUDITED, file.parent).versions
    audited = {
        one["name"]: one["version"]
        for one in report["dependencies"]
        if "version" in one and "skip_reason" not in one
    }
    missing = sorted(name for name, version in versions.items() if audited.get(name) != version)
    if missing:
        raise LookupError(
            f"pip-audit ended with {status} and could not look up {len(missing)} of {len(versions)}"
            f" packages, {missing[0]} among them"
        )
    known = remembered(file)
    ids = {(one["package"], one["id"]) for one in known["advisories"]}
    for package in report["dependencies"]:
        for weakness in package["vulns"]:
            if (package["name"], weakness["id"]) not in ids:
                known["advisories"].append(
                    {
                        "id": weakness["id"],
                        "package": package["name"],
                        "fixed": (weakness["fix_versions"] or [None])[0],
                        "what": weakness["description"].partition("\n")[0][:200],
                    }
                )
    known |= {"looked_up": f"{datetime.now(UTC):%Y-%m-%d}", "lock": digest(file.parent)}  # noqa: TID251
    file.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
