"""How long a user waits until something is there: seconds of several starts."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from benchmarks.ground import Ground
from tests.servers.ports import free_port
from tests.system.installation import COMMANDS, ROOT, UNLIMITED, environment

LOOK = 0.01
"""Seconds between two looks."""

LONGEST = 60.0
"""Seconds; against hanging only."""


def startup(ground: Ground) -> dict[str, Any]:
    """Return the seconds that each takes: a command's help, `httpca dev` in a new folder and again in
    the same one, and a worker of each side."""
    with tempfile.TemporaryDirectory(prefix="httpca-start-") as folder:
        found = {
            "httpca --help": _help(),
            "httpca dev, new folder": _dev(Path(folder) / "dev"),
            "httpca dev, again": _dev(Path(folder) / "dev"),
        }
    for role, side in (("signer-worker", "signer"), ("web-worker", "web")):
        found[f"{role} ready"] = _worker(role, ground.installation.directory / side)
    return found


def _help() -> float:
    began = time.perf_counter()
    subprocess.run([COMMANDS / "httpca", "--help"], capture_output=True, check=True)
    return time.perf_counter() - began


def _dev(directory: Path) -> float:
    began = time.perf_counter()
    with development(directory) as (_, _port):
        return time.perf_counter() - began


def _worker(role: str, config: Path) -> float:
    began = time.perf_counter()
    with _started(["run", role, "--config", str(config)]) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "worker-started" in line:
                threading.Thread(target=process.stdout.read, daemon=True).start()
                return time.perf_counter() - began
    raise RuntimeError(f"{role} ended before it was ready")


@contextmanager
def development(directory: Path) -> Iterator[tuple[int, int]]:
    """Run `httpca dev` from the moment when it serves; yield its process and port."""
    port = free_port()
    command = ["dev", "--dir", str(directory), "--port", str(port)]
    with _started(command) as process:
        threading.Thread(target=_read_on, args=(process,), daemon=True).start()
        deadline = time.monotonic() + LONGEST
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("`httpca dev` does not serve")
            time.sleep(LOOK)
        yield process.pid, port


@contextmanager
def _started(arguments: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [str(COMMANDS / "httpca"), *arguments],
        env=environment(**UNLIMITED),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        try:
            process.wait(LONGEST)
        finally:
            process.kill()
            process.wait()


def _read_on(process: subprocess.Popen[str]) -> None:
    """Read what it says, so that it never waits for a reader."""
    assert process.stdout is not None
    for _ in process.stdout:
        pass


def _is_ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200
    except requests.RequestException:
        return False
