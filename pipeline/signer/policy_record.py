"""What the database knows of the policy that the workers go by, and of what is wrong with its file."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.database.advance import record
from pipeline.database.engine import AnyRow, Database
from pipeline.signer.policy import Policy
from pipeline.signer.tables import audit, policy_in_force

_NAME: Final = "policy"

LONGEST_PROBLEM: Final = 2000
"""Characters of a problem that are kept."""


def note_policy(database: Database, policy: Policy, now: datetime) -> None:
    """Write into the audit that a policy takes effect, and that there is nothing wrong."""
    with database.write() as connection:
        details = {"digest": policy.digest, "rules": len(policy.rules)}
        record(connection, audit, "policy-loaded", details, now)
        _put(
            connection,
            {"digest": policy.digest, "loaded_at": now, "problem": "", "noticed_at": None},
        )


def note_problem(database: Database, problem: str, now: datetime) -> None:
    """Write down what is wrong with the policy file (nothing any more: ``problem`` is empty).

    The policy in force stays; the audit has each problem once when it comes.
    """
    with database.write() as connection:
        values = {
            "problem": problem[:LONGEST_PROBLEM],
            "noticed_at": now if problem else None,
        }
        changed = connection.execute(
            update(policy_in_force)
            .where(policy_in_force.c.name == _NAME, policy_in_force.c.problem != values["problem"])
            .values(values)
        )
        if problem and changed.rowcount:  # another worker may have said it
            details = {"problem": problem[:LONGEST_PROBLEM]}
            record(connection, audit, "policy-refused", details, now)


def in_force(database: Database) -> AnyRow | None:
    """Return the row of the policy that the workers go by; None when none ever started."""
    with database.read() as connection:
        return connection.execute(
            select(policy_in_force).where(policy_in_force.c.name == _NAME)
        ).one_or_none()


def _put(connection: Connection, values: dict[str, Any]) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(policy_in_force).values(name=_NAME, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[policy_in_force.c.name], set_=values)
    )
