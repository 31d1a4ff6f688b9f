"""A HAProxy of our own, from the distribution's package, by the configuration that is shipped."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.servers.ports import LOOPBACK, free_port, listens
from tests.servers.process import ServerError, ServerProcess, temporary_folder

SHIPPED = Path(__file__).resolve().parents[2] / "packaging" / "haproxy" / "haproxy.cfg"

SERVED_BY = "x-served-by"
"""The header in which an answer says which process it came from."""


class HAProxy:
    """HAProxy in front of some processes.

    Args:
        backends: their ``host:port``.
        certificate: certificate and key, as one PEM.
    """

    def __init__(self, backends: Sequence[str], certificate: bytes) -> None:
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self._backends = backends
        self.certificate = certificate

    def __enter__(self) -> Self:
        program = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/bin")
        if program is None:
            raise ServerError("HAProxy is not installed: apt-get install haproxy")
        folder = temporary_folder(self, "haproxy")
        pem, configuration = folder / "httpca.pem", folder / "haproxy.cfg"
        pem.touch(mode=0o600)
        pem.write_bytes(self.certificate)
        configuration.write_text(self._configuration(pem))
        self._process = ServerProcess(
            [program, "-db", "-f", configuration],
            log=folder / "output.log",
            folder=folder,
            environment={"PATH": "/usr/bin:/bin"},
        )
        try:
            self._process.wait_until(lambda: listens(self.port), seconds=120)
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop(signal.SIGTERM, seconds=120)

    def _configuration(self, pem: Path) -> str:
        """Return the shipped file with our addresses; every answer says who gave it."""
        text = SHIPPED.read_text("utf-8")
        text, bound = re.subn(
            r"bind :443 ssl crt \S+", f"bind {LOOPBACK}:{self.port} ssl crt {pem}", text
        )
        text, servers = re.subn(r"(?m)^    server .*\n", "", text)
        if (bound, servers) != (1, 2):
            raise ServerError(f"{SHIPPED} has another form than is known here")
        lines = [f"server web{n} {one} check" for n, one in enumerate(self._backends, 1)]
        return text + "".join(
            f"    {line}\n" for line in (*lines, f"http-response set-header {SERVED_BY} %s")
        )
