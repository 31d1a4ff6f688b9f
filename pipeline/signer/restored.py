"""What becomes of a signer's database that was restored from a backup, before anybody sees it.

It may not know what was signed since, so it signs nothing until `reconcile`, or until an operator,
who knows better, lets it.
"""

from datetime import datetime

from sqlalchemy import delete, insert
from sqlalchemy.sql.dml import UpdateBase

from pipeline.database.statements import entry
from pipeline.signer.operate import RESTORED
from pipeline.signer.tables import audit, switches


def suspend(made_at: datetime, operator: str, now: datetime) -> list[UpdateBase]:
    """Return the statements that stop all signing and say why; ``made_at`` is the backup's time."""
    reason = (
        f"restored from the backup of {made_at:%Y-%m-%d %H:%M:%S} UTC: run httpca signer reconcile"
    )
    switch = {
        "name": RESTORED,
        "on": True,
        "by": operator,
        "reason": reason,
        "changed_at": now,
    }
    details = {"operator": operator, "made_at": made_at.isoformat()}
    return [
        delete(switches).where(switches.c.name == RESTORED),
        insert(switches).values(switch),
        entry(audit, "restored", details, now),
        entry(audit, "signing-suspended", {"operator": operator, "reason": reason}, now),
    ]
