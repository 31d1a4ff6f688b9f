"""Directories of set-up with accounts on servers that are nowhere."""

from pathlib import Path

from pipeline.setup.directory import create
from pipeline.setup.grants.servers import Servers
from pipeline.setup.options import SetupOptions

WHERE = Servers("db.example:5432", "db.example:5432", "mq.example:5671")


def made(folder: Path, where: Servers = WHERE, **options: object) -> Path:
    directory = folder / "ca"
    create(SetupOptions(directory=directory, servers=where, **options))  # type: ignore[arg-type]
    return directory
