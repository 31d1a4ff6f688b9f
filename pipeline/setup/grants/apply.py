"""Apply the files of ``DIR/setup/grants`` to PostgreSQL and RabbitMQ, by their own programs.

An administrator who may not, or would rather not, let HttpCA do this gives the same files to psql and
`rabbitmqctl import_definitions` by hand.
"""

import json
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from pipeline.errors import HttpcaError
from pipeline.setup.grants import servers

_VARIABLES: Final = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}
"""How psql is told by its environment: on its command line everybody could read the password."""

PARTS: Final = ("vhosts", "users", "permissions")


class NotApplied(HttpcaError):
    """A server's program refused; what it said is in the message."""


def to_postgresql(folder: Path, side: str, url: str) -> list[str]:
    """Apply a side's file, and for the signer side those of approvers; return their names.

    ``url`` is that of a superuser (``postgresql://…``); when empty, psql finds it as it always does.

    Raises:
        SettingsError: this is no folder of grants.
        NotApplied: psql is missing or refuses.
    """
    servers.load(folder)
    files = [folder / f"postgresql-{side}.sql"]
    if side == "signer":
        files += sorted(folder.glob("approver-*.sql"))
    for file in files:
        command = ["psql", "--no-psqlrc", "--quiet", "--no-password", "--file=-"]
        _run(command, file.read_bytes(), _environment(url))
    return [file.name for file in files]


def to_rabbitmq(folder: Path, rabbitmqctl: str) -> list[str]:
    """Apply all definitions at once; return the names of their files.

    ``rabbitmqctl`` is how it is called on this machine, for instance ``sudo rabbitmqctl``.

    Raises:
        SettingsError: this is no folder of grants.
        NotApplied: rabbitmqctl is missing or refuses.
    """
    servers.load(folder)
    files = [folder / "rabbitmq.json", *sorted(folder.glob("approver-*.json"))]
    merged: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    for file in files:
        found = json.loads(file.read_bytes())
        for part in PARTS:
            merged[part] |= {json.dumps(one, sort_keys=True): one for one in found[part]}
    everything = {part: list(entries.values()) for part, entries in merged.items()}
    _run(
        [*shlex.split(rabbitmqctl), "import_definitions"],
        json.dumps(everything).encode(),
        dict(os.environ),
    )
    return [file.name for file in files]


def _environment(url: str) -> dict[str, str]:
    if not url:
        return dict(os.environ)
    try:
        found = conninfo_to_dict(url.replace("postgresql+psycopg://", "postgresql://", 1))
    except ProgrammingError as error:
        raise NotApplied(f"this is no URL of PostgreSQL: {error}") from error
    unknown = sorted(set(found) - set(_VARIABLES))
    if unknown:
        raise NotApplied(f"cannot be given to psql: {', '.join(unknown)}; use its own variables")
    return os.environ | {_VARIABLES[name]: str(value) for name, value in found.items()}


def _run(command: Sequence[str], standard_input: bytes, environment: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(
            command, input=standard_input, env=environment, capture_output=True, check=False
        )
    except OSError as error:
        raise NotApplied(f"{command[0]} cannot be started: {error.strerror}") from error
    if done.returncode:
        said = (done.stderr + done.stdout).decode(errors="replace").strip()
        raise NotApplied(f"{command[0]} refused:\n{said}")
