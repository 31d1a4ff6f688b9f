"""What becomes of a web side's database that was restored from a backup, before anybody sees it."""

from datetime import datetime

from sqlalchemy.sql.dml import UpdateBase

from pipeline.database.statements import entry
from pipeline.web.tables import audit


def note(made_at: datetime, operator: str, now: datetime) -> list[UpdateBase]:
    """Return the statement that puts it on record; ``made_at`` is the backup's time."""
    details = {"operator": operator, "made_at": made_at.isoformat()}
    return [entry(audit, "restored", details, now)]
