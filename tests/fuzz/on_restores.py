"""What is brought after a loss: backups, and exports of the other side."""

import io
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pipeline.backup import archive
from pipeline.backup.errors import BackupError
from pipeline.errors import HttpcaError
from pipeline.signer import reconcile as signer_reconcile
from pipeline.web import reconcile as web_reconcile
from tests.fuzz import mutators
from tests.fuzz.as_file import as_file, memory_folder
from tests.fuzz.on_messages import stages
from tests.fuzz.target import Target


def read_backup(octets: bytes) -> None:
    """Unpack a backup; nothing comes to lie outside of the folder for it."""
    folder = Path(memory_folder(), "restore")
    folder.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=folder) as staging:
        (Path(staging) / "in").mkdir()
        try:
            archive.unpack(as_file("backup.tar", octets), Path(staging) / "in")
        finally:
            assert os.listdir(staging) == ["in"]
            assert len(os.listdir(folder)) == 1


def read_export(octets: bytes) -> None:
    """Take lines for an export: of the signer to the web side, or the other way round; whole, or as
    they are."""
    world = stages().world
    lines = list(io.StringIO(octets[1:].decode("utf-8", "replace")))
    if octets and not octets[0] & 2:
        lines.append(f'{{"end": {len(lines)}}}')
    if octets and octets[0] & 1:
        web_reconcile.reconcile(world.web_database, lines, "fuzz", world.time())
    else:
        issuers = world.signer.issuers
        signer_reconcile.reconcile(world.signer_database, issuers, lines, "fuzz", world.time())


BACKUP: Final = Target(
    "backup",
    read_backup,
    (BackupError,),
    ("pipeline.backup.archive", "pipeline.backup.manifest"),
    words=("ustar", "manifest.json", "manifest.sha256", "folder/", "database", ".."),
)
EXPORT: Final = Target(
    "export",
    read_export,
    (HttpcaError,),
    ("pipeline.web.reconcile", "pipeline.signer.reconcile", "pipeline.database.export"),
    mutators.after_byte(mutators.json_value),
)
