"""Remember, outside the database, what was signed last: so a database that is older is noticed.

After a restore from a backup the signer would not know what it signed since, and could issue a
second certificate for a request. The mark is written after the commit, so it is never ahead of the
database that it belongs to; it stands in a file of the signer's folder and is no secret.
"""

import json
import os
import threading
from pathlib import Path

import msgspec
import structlog
from sqlalchemy import Connection, select

from pipeline.signer.tables import certificates

log = structlog.get_logger(__name__)

FILE = "last-issued.json"


class Mark:
    """The last certificate that a process on this host issued, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def set(self, request_id: str, serial: str) -> None:
        """Remember a certificate that was stored; trouble with the file never stops the signer."""
        draft = self._file.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        try:
            with draft.open("wb") as file:
                file.write(msgspec.json.encode({"request_id": request_id, "serial": serial}))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._file)
        except OSError as error:
            log.error("mark-not-written", file=str(self._file), error=error.strerror)

    def missing_from(self, connection: Connection) -> str | None:
        """Return what is remembered and is not in the database, in words; None when all is well."""
        try:
            found = json.loads(self._file.read_text("utf-8"))
            request_id, serial = str(found["request_id"]), str(found["serial"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"{self._file} cannot be read ({type(error).__name__})"
        known = connection.scalar(
            select(certificates.c.request_id).where(certificates.c.serial == serial)
        )
        return None if known == request_id else f"serial {serial} was issued"
