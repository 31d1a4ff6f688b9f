"""The systemd units: one for each process of the Procfile, and they never give up."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.chaos import units
from tests.chaos.crew import PROCFILE

FILES = sorted(units.FOLDER.glob("*.service"))


def test_each_process_of_the_procfile_has_a_unit_and_each_unit_a_process() -> None:
    assert {file.stem.removeprefix("httpca-").rstrip("@") for file in FILES} == set(PROCFILE)


@pytest.mark.parametrize("name", PROCFILE)
def test_a_unit_runs_its_process_and_starts_it_again_for_ever(name: str) -> None:
    unit = units.read(name)
    assert f"httpca run {name} --config /var/lib/httpca/{name.partition('-')[0]}" in unit.command
    assert unit.restarts
    assert unit.restart_after > 0
    assert not unit.gives_up


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nobody_can_connect_to_any_process_but_web(file: Path) -> None:
    lines = file.read_text("utf-8").splitlines()
    assert "SocketBindDeny=any" in lines
    assert any(line.startswith("SocketBindAllow=") for line in lines) == (
        "httpca-web@" in file.name
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_unit_reaches_its_own_side_only(file: Path) -> None:
    own, other = ("web", "signer") if file.name.startswith("httpca-web") else ("signer", "web")
    if file.name.startswith("httpca-web@"):  # what strangers talk to has an account of its own
        own, other = "web-http", "web"
    lines = file.read_text("utf-8").splitlines()
    (paths,) = (line for line in lines if line.startswith("InaccessiblePaths="))
    hidden = set(paths.partition("=")[2].split())
    assert f"User=httpca-{own}" in lines
    assert f"ReadWritePaths=/var/lib/httpca/{own}/data" in lines
    assert f"-/var/lib/httpca/{other}" in hidden
    others = {"owner", "setup", "approvers", "web-operator", "signer-reader"}
    assert {f"-/var/lib/httpca/{name}" for name in others} <= hidden


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    assert program is not None, "`make test` installs it"
    for file in FILES:
        # What the units name is not installed here.
        text = file.read_text("utf-8").replace("/opt/httpca/.venv/bin/httpca", "/bin/true")
        lines = [line for line in text.splitlines() if not line.startswith(("User=", "Group="))]
        (tmp_path / file.name.replace("@", "@8000")).write_text("\n".join(lines))
    made = sorted(tmp_path.iterdir())
    checked = subprocess.run(
        [program, "verify", "--man=no", *made], capture_output=True, text=True, check=False
    )
    assert [line for line in checked.stderr.splitlines() if "httpca" in line] == []
    assert checked.returncode == 0, checked.stderr
