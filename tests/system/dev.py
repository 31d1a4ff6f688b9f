"""`httpca dev`, as `make run` starts it: one process, SQLite, no server besides."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import requests

from tests import factories, logs
from tests.servers.ports import free_port
from tests.system.installation import COMMANDS, ROOT, environment

SOON = 120
"""Seconds; against hanging only."""


class Dev:
    """One `httpca dev` at a time, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.welcome = ""
        self.log = folder.with_name(f"{folder.name}.log")
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        logs.follow(self.log)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [COMMANDS / "httpca", "dev", "--dir", self.folder, "--port", str(self.port)],
                env=environment(),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        lines = []
        for line in self._process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        self.welcome = "".join(lines)
        if "Ctrl-C" not in self.welcome:
            code, said = self.stop()
            raise AssertionError(f"it ended with {code}:\n{self.welcome}{said}")

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(number)
        said, _ = process.communicate(timeout=SOON)
        logs.keep(self.log)
        return process.returncode, said

    def close(self) -> None:
        if self._process is not None:
            self.stop(signal.SIGKILL)

    def submit(self, *names: str) -> str:
        answer = requests.post(
            f"{self.url}/api/v1/requests?profile=server",
            data=factories.openssl_csr(names=tuple(f"DNS:{name}" for name in names)),
            headers={"Content-Type": "application/x-pem-file"},
            timeout=SOON,
        )
        assert answer.status_code == 202, answer.text
        request_id: str = answer.json()["id"]
        return request_id

    def state(self, request: str, wait: int = 0) -> dict[str, Any]:
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        answer = requests.get(
            f"{self.url}/api/v1/requests/{request}", headers=headers, timeout=wait + SOON
        )
        found: dict[str, Any] = answer.json()
        return found
