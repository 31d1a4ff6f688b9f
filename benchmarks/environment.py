"""On what the figures were measured: without it they mean little."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cryptography.hazmat.backends.openssl import backend

from benchmarks.ground import Ground, Servers, output
from pipeline.clock import now
from tests.servers.postgresql import programs
from tests.system.installation import ROOT

PACKAGES = (
    "cryptography",
    "dramatiq",
    "pika",
    "psycopg",
    "SQLAlchemy",
    "Flask",
    "waitress",
    "msgspec",
)

SHOWN = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_wal_size",
)


def environment(ground: Ground, servers: Servers) -> dict[str, Any]:
    """Return settings that matter, and versions of what takes part."""
    postgresql = {name: ground.query("signer", f"SHOW {name}")[0][0] for name in SHOWN}
    said = servers.rabbitmq.ctl("version").strip().splitlines()[-1]
    erlang = servers.rabbitmq.ctl("eval", 'io:format("~s", [erlang:system_info(otp_release)]).')
    found = re.search(r"\d+", erlang)
    return {
        "measured at": now().isoformat(timespec="seconds"),
        "commit": output("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "PostgreSQL": postgresql | {"programs": str(programs())},
        "RabbitMQ": said,
        "Erlang": found[0] if found else erlang,
        "Python": platform.python_version(),
        "OpenSSL": backend.openssl_version_text(),
        "packages": {name: version(name) for name in PACKAGES if _is_there(name)},
        "kernel": platform.release(),
        "CPU": _model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "load average before": os.getloadavg()[0],
    }


def _is_there(name: str) -> bool:
    from importlib.metadata import PackageNotFoundError

    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _model() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()
