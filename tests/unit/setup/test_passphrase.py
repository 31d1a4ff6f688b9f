"""Where a passphrase or a PIN comes from: a file, a credential of systemd, a terminal."""

import io
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from settings.passphrase import is_source, read_secret


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO())


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


def test_a_file_is_found_below_the_sides_folder(tmp_path: Path) -> None:
    (tmp_path / "ca.pass").write_text("correct horse\n")
    assert read_secret("file:ca.pass", tmp_path, "the PIN") == b"correct horse"
    assert read_secret(f"file:{tmp_path}/ca.pass", Path("/"), "the PIN") == b"correct horse"


def test_a_credential_is_what_systemd_hands_over(credentials: Path) -> None:
    (credentials / "ca-2").write_text("battery staple")
    assert read_secret("credential:ca-2", Path("/"), "the PIN") == b"battery staple"


def test_without_a_source_the_credential_passphrase_is_taken(credentials: Path) -> None:
    (credentials / "passphrase").write_text("battery staple")
    assert read_secret("", Path("/"), "the PIN") == b"battery staple"


def test_without_any_source_and_terminal_all_ways_are_told(credentials: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_secret("", credentials, "the PIN of token 'T'")
    told = str(caught.value)
    for part in ("the PIN of token 'T'", "file:PATH", "credential:NAME", "prompt", "'passphrase'"):
        assert part in told


def test_a_credential_without_systemd_is_told() -> None:
    with pytest.raises(SettingsError, match="LoadCredential=ca:FILE"):
        read_secret("credential:ca", Path("/"), "the PIN")


def test_a_credential_that_was_not_handed_over_is_told(credentials: Path) -> None:
    with pytest.raises(SettingsError, match=r"credentials/ca: the passphrase cannot be read"):
        read_secret("credential:ca", credentials, "the PIN")


@pytest.mark.parametrize("source", ["prompt", ""])
@pytest.mark.parametrize(
    ("typed", "found"),
    [("correct horse", "found: b'correct horse'"), ("", "nothing was entered")],
)
def test_a_terminal_is_asked_without_an_echo(source: str, typed: str, found: str) -> None:
    child, ours = at_a_terminal(
        "from pathlib import Path; from settings.passphrase import read_secret\n"
        f"try: print('found:', read_secret({source!r}, Path('/'), 'the PIN'))\n"
        "except Exception as error: print(error)"
    )
    os.write(ours, typed.encode() + b"\n")
    shown = the_rest(ours)
    assert child.wait(120) == 0
    assert found in shown.decode()
    assert shown.count(b"correct horse") == (1 if typed else 0)


def test_ctrl_c_ends_the_question_also_where_a_process_has_it_end_its_work() -> None:
    child, ours = at_a_terminal(
        "import signal; from pathlib import Path; from settings.passphrase import read_secret\n"
        "def stop(*_): print('orderly')\n"
        "signal.signal(signal.SIGINT, stop)\n"
        "try: read_secret('prompt', Path('/'), 'the PIN')\n"
        "except KeyboardInterrupt: print('interrupted')\n"
        "assert signal.getsignal(signal.SIGINT) is stop"
    )
    child.send_signal(signal.SIGINT)
    assert "interrupted" in the_rest(ours).decode()
    assert child.wait(120) == 0


def at_a_terminal(program: str) -> tuple["subprocess.Popen[bytes]", int]:
    """Run a program in a terminal until it asks for the PIN; return it and our end."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while b"The PIN: " not in shown:
        shown += os.read(ours, 1000)
    return child, ours


def the_rest(ours: int) -> bytes:
    """Return what a terminal shows until its program has ended."""
    shown = b""
    while True:
        try:
            more = os.read(ours, 1000)
        except OSError:
            os.close(ours)
            return shown
        shown += more


@pytest.mark.parametrize(
    ("source", "right"),
    [
        ("file:ca.pass", True),
        ("credential:ca", True),
        ("prompt", True),
        ("file:", False),
        ("credential:", False),
        ("credential:../ca", False),
        ("credential:..", False),
        ("env:PIN", False),
        ("1234", False),
    ],
)
def test_a_source_has_one_of_three_forms(source: str, right: bool) -> None:
    assert is_source(source) is right
