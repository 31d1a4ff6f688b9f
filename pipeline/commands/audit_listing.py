"""How `httpca audit list` writes entries, for machines and for people, and reads times."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from pipeline.crypto.visible import visible
from pipeline.database.engine import AnyRow


def moment(text: str) -> datetime:
    """Read a time in ISO 8601; one without a zone is in UTC.

    Raises:
        click.BadParameter: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter("a time is written like 2026-01-31T12:00:00Z") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def plain(row: AnyRow) -> dict[str, Any]:
    """Return an entry as JSON has it; ``leaf`` is its place in the tree, if it has one yet."""
    return {
        "id": row.id,
        "leaf": row.leaf,
        "at": row.at,
        "event": row.event,
        "request_id": row.request_id,
        "details": row.details,
    }


def as_lines(rows: Sequence[AnyRow]) -> str:
    """Return entries for people, each in a line that cannot steer a terminal."""
    lines = []
    for row in rows:
        shown = str(row.details)
        if isinstance(row.details, dict):  # as we write it, and nobody has to
            shown = ", ".join(f"{name}={value}" for name, value in row.details.items())
        about = f"  {row.request_id}" if row.request_id else ""
        what = visible(f"{row.event}{about}  {shown}", 1200)
        lines.append(f"{row.id:>8}  {row.at:%Y-%m-%d %H:%M:%S}  {what}")
    return "\n".join(lines) if lines else "There is no such entry."
