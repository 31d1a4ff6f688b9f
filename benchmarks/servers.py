"""What an HTTP server costs by itself: CPU time per request of one small WSGI function.

``python -m benchmarks.servers BIN`` measures those that lie in the folder BIN, for instance
``.venv/bin``, or that of a virtual environment with ``pip install waitress gunicorn granian``.
"""

import argparse
import subprocess
import time
from pathlib import Path
from typing import Final

from benchmarks.answer import ANSWER
from benchmarks.flood import Flood, post
from benchmarks.meter import Meter
from tests.servers.ports import free_port, is_free

REQUESTS: Final = 10_000
CONNECTIONS: Final = 16
COMMANDS: Final = {
    "waitress": ("waitress-serve", "--listen=127.0.0.1:{}", "--threads=16"),
    "gunicorn": ("gunicorn", "--bind=127.0.0.1:{}", "--worker-class=gthread", "--threads=16"),
    "granian": ("granian", "--interface=wsgi", "--port={}", "--blocking-threads=16", "--no-ws"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", metavar="BIN", type=Path)
    folder: Path = parser.parse_args().folder.absolute()
    for name, (program, *options) in COMMANDS.items():
        if (folder / program).exists():
            print(f"{name:10} {_measure([str(folder / program), *options]):.3f} ms", flush=True)


def _measure(command: list[str]) -> float:
    """Return the milliseconds of CPU time per request."""
    port = free_port()
    whole = [*(part.format(port) for part in command), "benchmarks.answer:application"]
    with subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while is_free(port):
                if server.poll() is not None:
                    raise RuntimeError(f"{whole[0]} ended at once")
                time.sleep(0.1)
            flood = Flood([port])
            _post(flood, port, 500)
            meter = Meter({"server": [server.pid]})
            _post(flood, port, REQUESTS)
            flood.close()
            return 1000 * meter.cpu()["server"] / REQUESTS
        finally:
            server.terminate()


def _post(flood: Flood, port: int, count: int) -> None:
    def answered(_number: int, _seconds: float, status: int, body: bytes) -> None:
        if (status, body) != (202, ANSWER):
            raise ValueError(f"a wrong answer: {status}")

    one = post(port, "token", "/", "application/pkcs10", b"y" * 250)
    flood.each([one] * count, CONNECTIONS, answered)


if __name__ == "__main__":
    main()
