"""Hooks: what they are told, what they get of ours (nothing), and how they fail."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.signer.hook import HookFailed, post, run_command

TOLD = {"event": "requests-wait", "requests": [{"id": "1", "requester": "b\x1b[31mü"}]}


def program(folder: Path, text: str) -> list[str]:
    file = folder / "hook.py"
    file.write_text(text)
    return [sys.executable, str(file), str(folder / "out")]


def test_a_command_is_told_json_and_gets_no_environment_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPCA_SIGNER_DATABASE", "a secret")
    argv = program(
        tmp_path,
        "import json, os, sys\n"
        "told = json.load(sys.stdin)\n"
        "open(sys.argv[1], 'w').write(json.dumps([told, sorted(os.environ)]))\n",
    )
    run_command(argv, TOLD, 60)
    told, environment = json.loads((tmp_path / "out").read_text())
    assert told == TOLD
    assert "HTTPCA_SIGNER_DATABASE" not in environment
    assert {"PATH", "LANG"} <= set(environment)


def test_an_argument_is_never_read_by_a_shell(tmp_path: Path) -> None:
    argv = program(tmp_path, "import sys\nopen(sys.argv[1], 'w').write(sys.argv[2])\n")
    run_command([*argv, "$(id); `id` > x"], TOLD, 60)
    assert (tmp_path / "out").read_text() == "$(id); `id` > x"


def test_a_command_that_fails_is_told_with_what_it_complained_of(tmp_path: Path) -> None:
    argv = program(tmp_path, "import sys\nsys.exit('no mail\\x1b server')\n")
    with pytest.raises(HookFailed, match=r"ended with 1: 'no mail\\x1b server"):
        run_command(argv, TOLD, 60)


def test_a_command_that_reads_nothing_is_no_error(tmp_path: Path) -> None:
    run_command(program(tmp_path, "pass\n"), TOLD, 60)


def test_a_command_that_is_not_there_is_told() -> None:
    with pytest.raises(HookFailed, match="cannot be started"):
        run_command(["/nothing/here"], TOLD, 60)


def test_nobody_waits_for_what_a_command_leaves_behind(tmp_path: Path) -> None:
    """Reminders would come to an end with the first of them."""
    out = tmp_path / "out"
    left = 'setsid sleep 120 & echo "$!" > "$0"; sleep 120'
    before = time.monotonic()
    with pytest.raises(HookFailed, match="longer than 1 seconds"):
        run_command(["/bin/sh", "-c", left, str(out)], TOLD, 1)
    assert time.monotonic() - before < 60
    # On a slow machine it was ended before it came to that.
    with suppress(FileNotFoundError, ValueError, ProcessLookupError):
        os.kill(int(out.read_text()), signal.SIGKILL)


def test_a_command_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    argv = program(
        tmp_path,
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open(sys.argv[1], 'w').write(str(child.pid))\n"
        "time.sleep(600)\n",
    )
    with pytest.raises(HookFailed, match="longer than 3 seconds"):
        run_command(argv, TOLD, 3)
    out = tmp_path / "out"
    if out.exists():  # on a slow machine it was ended before it came to that
        deadline = time.monotonic() + 60
        while runs(int(out.read_text())):  # a signal is delivered when its process has its turn
            assert time.monotonic() < deadline
            time.sleep(0.01)


def runs(pid: int) -> bool:
    try:
        stat = (Path("/proc") / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


class Answers(BaseHTTPRequestHandler):
    """Answers as the path says, and keeps what it was sent."""

    got: list[Any]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Location", "/elsewhere/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.got.append((self.path, None, None))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Nothing is said."""


@contextmanager
def webhook() -> Iterator[tuple[str, list[Any]]]:
    got: list[Any] = []
    handler = type("Handler", (Answers,), {"got": got})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_is_posted_json() -> None:
    with webhook() as (url, got):
        post(f"{url}/hook/204", TOLD, 60)
    assert got == [("/hook/204", "application/json", TOLD)]


@pytest.mark.parametrize("status", [303, 307, 404, 500])
def test_a_webhook_that_answers_otherwise_has_failed_and_no_redirection_is_followed(
    status: int,
) -> None:
    with webhook() as (url, got), pytest.raises(HookFailed, match=f"answered {status}"):
        post(f"{url}/hook/{status}", TOLD, 60)
    assert [path for path, _, _ in got] == [f"/hook/{status}"]


def test_a_webhook_that_is_not_there_is_told() -> None:
    with pytest.raises(HookFailed, match="cannot be reached"):
        post("http://127.0.0.1:1/", TOLD, 60)
