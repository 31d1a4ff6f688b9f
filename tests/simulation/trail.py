"""The rows of a database as they stand, and what its audit tells of how they came to be so."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from pipeline.states import Transitions
from tests.simulation.template import Forever


def audit_tells_all(
    side: Forever, transitions: Transitions, name: str, present: dict[str, dict[str, Any]]
) -> Iterator[str]:
    """Every committed change has its entry, allowed by the table, in one chain to what stands."""
    changes: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in every(side, "seen_states"):
        changes[row["id"]].append((row["source"], row["target"], row["revision"]))
    entries: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in every(side, "audit"):
        if row["event"] != "state-changed":
            continue
        details = row["details"]
        entries[row["request_id"]].append((details["from"], details["to"], details["revision"]))
        if details["by"] not in transitions.get((details["from"], details["to"]), ()):
            yield f"{name}: {details['by']} made {details['from']} into {details['to']}"
    for key, row in present.items():
        if changes[key] != entries[key]:
            yield f"{name}: {key} changed as {changes[key]}, and the audit tells {entries[key]}"
        state, revision = None, 0
        for source, target, number in changes[key]:
            if source != state:
                yield f"{name}: {key} went from {source}, but was {state}"
            grows = number == revision + 1 if name == "signer" else number >= revision
            if not grows:
                yield f"{name}: {key} went from revision {revision} to {number}"
            state, revision = target, number
        if (state, revision) != (row["state"], row["revision"]):
            yield f"{name}: {key} stands as {row['state']}, {row['revision']}; told was {state}"
    if changes.keys() - present.keys():
        yield f"{name}: requests have disappeared"


def every(side: Forever, table: str) -> list[dict[str, Any]]:
    """Return all rows of a table in the order in which they came."""
    cursor = side.look.execute(f"SELECT * FROM {table} ORDER BY rowid")
    names = [column[0] for column in cursor.description]
    return [
        {name: _plain(name, value) for name, value in zip(names, row, strict=True)}
        for row in cursor
    ]


def rows(side: Forever, table: str, key: str = "id") -> dict[str, dict[str, Any]]:
    """Return all rows of a table by their key."""
    return {row[key]: row for row in every(side, table)}


def _plain(name: str, value: Any) -> Any:
    if name in ("id", "request_id") and isinstance(value, str) and len(value) == 32:
        return str(UUID(value))
    if name in ("details", "profile", "rule") and isinstance(value, str) and value[:1] in "{[":
        return json.loads(value)
    return value
