"""How `httpca policy status` and `httpca requests list` say which policy is in force."""

from typing import Any

from pipeline.crypto.visible import visible
from pipeline.database.engine import AnyRow


def to_plain(row: AnyRow | None) -> dict[str, Any] | None:
    """Return what the signer's database knows of its policy, as JSON has it."""
    if row is None:
        return None
    return {
        "digest": row.digest,
        "loaded_at": row.loaded_at,
        "problem": row.problem or None,
        "noticed_at": row.noticed_at,
    }


def as_sentence(row: AnyRow | None) -> str:
    """Return the same for people."""
    if row is None:
        return "No signer worker has ever started on this database, so no policy is in force."
    since = f"{row.loaded_at:%Y-%m-%d %H:%M} UTC"
    if not row.problem:
        return f"Policy {row.digest} is in force since {since}."
    return (
        f"The policy file is wrong since {row.noticed_at:%Y-%m-%d %H:%M} UTC:"
        f" {visible(row.problem, 2000)}\nPolicy {row.digest} stays in force, of {since}."
    )
