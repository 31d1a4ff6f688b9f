"""People of a policy: groups of requesters, sets of approvers, and who is both (pure).

A requester's name is the web side's word; an approver's stands in their message certificate.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

TABLES: Final = ("groups", "approvers", "same_person")

_MEANING: Final = {
    "groups": "a list of requesters' names",
    "approvers": "a list of approvers' names",
    "same_person": "a list of the names under which this approver makes requests",
}


class PeopleError(ValueError):
    """One of the tables is wrong: which, its key if it has one, and what was found and is allowed."""

    def __init__(self, table: str, key: str | None, problem: str) -> None:
        self.table = table
        self.key = key
        self.problem = problem
        super().__init__(f"{table}.{key}: {problem}")


class People(msgspec.Struct, frozen=True):
    """``groups``: requesters by group; ``approvers``: approvers by the name of their set;
    ``same_person``: by approver the names under which they make requests."""

    groups: dict[str, tuple[str, ...]] = {}
    approvers: dict[str, tuple[str, ...]] = {}
    same_person: dict[str, tuple[str, ...]] = {}

    def groups_of(self, requester: str | None) -> frozenset[str]:
        """Return the groups that a requester belongs to."""
        if not self.groups or requester is None:
            return frozenset()
        return frozenset(name for name, members in self.groups.items() if requester in members)

    def own(self, requester: str | None) -> list[str]:
        """Return the approvers who make requests under this name, in order, by ``same_person``."""
        if requester is None:
            return []
        folded = requester.casefold()
        return sorted(
            approver
            for approver, names in self.same_person.items()
            if folded in (name.casefold() for name in names)
        )

    def snapshot(self) -> dict[str, Any]:
        """Return all in plain JSON types, for the policy's digest."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return plain


def read(content: Mapping[str, Any]) -> People:
    """Read the three tables from the content of a policy file.

    Raises:
        PeopleError: a table is wrong.
    """
    return People(**{table: dict(_entries(table, content.get(table, {}))) for table in TABLES})


def _entries(table: str, found: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    if not isinstance(found, dict):
        raise PeopleError("", table, f"write it as a table, [{table}]")
    for key, names in found.items():
        if not _is_name(key):
            raise PeopleError(table, key, "a name is 1 to 200 visible characters")
        if not isinstance(names, list) or not names or not all(map(_is_name, names)):
            raise PeopleError(table, key, f"found {names!r}; it must be {_MEANING[table]}")
        if len(set(names)) < len(names):
            raise PeopleError(table, key, "an entry is listed twice")
        yield key, tuple(names)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and 1 <= len(value.strip()) <= 200
