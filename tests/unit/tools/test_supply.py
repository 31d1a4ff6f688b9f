"""The lock's checks: what they refuse, and that a look-up which missed a package is no look-up."""

import json
import subprocess
import sys
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tools.supply import advisories, licences, lock

HASH = "    --hash=sha256:" + "0" * 64 + "\n"
SOUND = f"#\n# made by a tool\n#\nflask==3.1.3 \\\n{HASH}    # via httpca\n"


def locks(folder: Path, run: str, dev: str = "") -> dict[str, lock.Lock]:
    """Return the lock of these two texts."""
    (folder / "run.txt").write_text(run)
    (folder / "dev.txt").write_text(dev or run)
    return {name: lock.read(name, folder) for name in lock.FILES}


@pytest.mark.parametrize(
    ("run", "dev", "problem"),
    [
        (SOUND.replace(HASH, ""), "", "flask has no hash"),
        (SOUND + "flask @ file:///x\n", "", "is no package with version and hashes"),
        ("--pre\n" + SOUND, "", "is no package with version and hashes"),
        (SOUND, SOUND.replace("3.1.3", "3.1.2"), "3.1.3 in run.txt and 3.1.2 in dev.txt"),
        (SOUND.replace("3.1.3", "3.0.0"), "", "pyproject.toml asks for flask>=3.1"),
        (SOUND.replace("flask", "flusk"), "", "run.txt has None"),
    ],
)
def test_a_lock_that_is_not_whole_is_refused(
    tmp_path: Path, run: str, dev: str, problem: str
) -> None:
    asked = [("run.txt", Requirement("flask>=3.1"))]
    assert list(lock.problems(locks(tmp_path, SOUND), iter(asked))) == []

    found = list(lock.problems(locks(tmp_path, run, dev), iter(asked)))

    assert any(problem in one for one in found), found


def test_the_lock_of_the_repository_is_whole_allowed_and_of_no_known_weakness() -> None:
    ours = {name: lock.read(name) for name in lock.FILES}

    assert list(lock.problems(ours, lock.wanted())) == []
    assert list(licences.problems(ours["run.txt"].versions)) == []
    assert list(advisories.problems(advisories.remembered(), ours)) == []
    assert len(ours["run.txt"].versions) > 40


@pytest.mark.parametrize(
    ("stated", "allowed"),
    [
        ({"License-Expression": "MIT OR GPL-3.0-only"}, False),
        ({"License-Expression": "Apache-2.0 OR BSD-3-Clause"}, True),
        ({"Classifier": "License :: OSI Approved :: BSD License"}, True),
        ({"License": "GPL"}, False),
        ({}, False),
    ],
)
def test_a_licence_that_nobody_has_looked_at_is_not_allowed(
    stated: dict[str, str], allowed: bool
) -> None:
    metadata = Message()
    for key, value in stated.items():
        metadata[key] = value

    found = licences.licences(metadata)

    assert (bool(found) and all(licences.ALLOWED.fullmatch(one) for one in found)) is allowed


def known(**fields: Any) -> dict[str, Any]:
    """Return what is remembered, with one advisory."""
    one = {"id": "X-1", "package": "flask", "fixed": "3.2", "what": "It leaks.", **fields}
    return {"looked_up": None, "lock": None, "advisories": [one]}


def test_a_package_with_a_known_weakness_is_refused_unless_that_was_accepted(
    tmp_path: Path,
) -> None:
    ours = locks(tmp_path, SOUND)

    assert len(list(advisories.problems(known(), ours))) == 2
    assert len(list(advisories.problems(known(fixed=None), ours))) == 2
    assert list(advisories.problems(known(fixed="3.1.3"), ours)) == []
    assert list(advisories.problems(known(accepted="we do not use it"), ours)) == []


def report(**fields: Any) -> dict[str, Any]:
    """Return a report of pip-audit on the one package."""
    return {"dependencies": [{"name": "flask", "version": "3.1.3", "vulns": [], **fields}]}


def test_what_was_looked_up_is_remembered(tmp_path: Path) -> None:
    locks(tmp_path, SOUND)
    file = tmp_path / "advisories.json"
    file.write_text(json.dumps(known() | {"advisories": []}))
    weakness = {"id": "X-2", "fix_versions": ["3.2"], "description": "It leaks.\nMore."}
    assert "NEVER" in advisories.standing(advisories.remembered(file), tmp_path)

    for _ in range(2):
        advisories.merge(report(vulns=[weakness]), 1, file)

    found = advisories.remembered(file)
    assert [one["id"] for one in found["advisories"]] == ["X-2"]
    assert "whole lock looked up on" in advisories.standing(found, tmp_path)
    locks(tmp_path, SOUND + "# changed\n")
    assert "ANOTHER lock" in advisories.standing(found, tmp_path)


@pytest.mark.parametrize(
    "incomplete",
    [
        {"dependencies": []},
        {"dependencies": [{"name": "flask", "skip_reason": "not found"}]},
        report(version="3.1.2"),
    ],
)
def test_a_look_up_that_missed_a_package_is_not_remembered(
    tmp_path: Path, incomplete: dict[str, Any]
) -> None:
    locks(tmp_path, SOUND)
    file = tmp_path / "advisories.json"
    file.write_text(json.dumps(known()))

    with pytest.raises(LookupError, match="1 of 1"):
        advisories.merge(incomplete, 0, file)

    assert advisories.remembered(file) == known()


def test_the_bill_of_materials_names_what_is_locked_and_is_the_same_each_time(
    tmp_path: Path,
) -> None:
    written = []
    for number in "12":
        file = tmp_path / number
        command = [sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible"]
        command += ["--pyproject", str(lock.ROOT / "pyproject.toml"), "--output-file", str(file)]
        subprocess.run(
            [*command, str(lock.REQUIREMENTS / "run.txt")], check=True, capture_output=True
        )
        written.append(file.read_bytes())

    assert written[0] == written[1]
    found = {one["name"]: one["version"] for one in json.loads(written[0])["components"]}
    assert found == lock.read("run.txt").versions
