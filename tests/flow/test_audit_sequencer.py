"""Every committed entry gets exactly one place, whoever is late, dies, or is faster."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Table, insert, select
from sqlalchemy.exc import DatabaseError

from pipeline.database.engine import Database
from pipeline.signer.audit.sequencer import read_head, sequence
from pipeline.signer.audit.stored import StoredTree
from pipeline.signer.tables import audit, tree
from tests.flow.audit_log import NOON, Log
from tests.flow.mortal import Killed, Mortal


def write(connection: Connection, entry: int) -> None:
    row = {"id": entry, "at": NOON, "event": "policy-loaded", "details": {"number": entry}}
    connection.execute(insert(audit), row)


def commit(log: Log, *ids: int) -> None:
    with log.database.write() as connection:
        for entry in ids:
            write(connection, entry)


def gaps(log: Log) -> list[tuple[int, int]]:
    with log.database.read() as connection:
        rows = connection.execute(select(tree.gaps).order_by(tree.gaps.c.first))
        return [(row.first, row.last) for row in rows]


def test_entries_get_places_in_the_order_of_their_ids(empty_log: Log) -> None:
    empty_log.write(700)
    assert [sequence(empty_log.database, 256) for _ in range(4)] == [256, 256, 188, 0]
    assert empty_log.places() == empty_log.ids()
    assert empty_log.verify().findings == []


def test_an_entry_that_is_committed_late_is_not_missed(empty_log: Log) -> None:
    commit(empty_log, 3, 9)
    empty_log.sequence()
    assert gaps(empty_log) == [(1, 2), (4, 8)]

    commit(empty_log, 6, 12)
    commit(empty_log, 2)
    empty_log.sequence()
    commit(empty_log, 1, 4, 5, 7, 8, 10)
    empty_log.sequence()

    assert empty_log.places() == [3, 9, 2, 6, 12, 1, 4, 5, 7, 8, 10]
    assert gaps(empty_log) == [(11, 11)]
    assert empty_log.verify().findings == []


def test_a_late_entry_is_found_however_many_there_are_at_a_time(empty_log: Log) -> None:
    commit(empty_log, 20)
    empty_log.sequence()
    commit(empty_log, *range(1, 20), *range(21, 30))
    while sequence(empty_log.database, 4):
        pass
    assert sorted(empty_log.places()) == list(range(1, 30))
    assert gaps(empty_log) == []


def test_transactions_that_overlap_lose_no_entry(empty_log: Log) -> None:
    """The real thing, where the database lets several write at once."""
    if empty_log.database.dialect == "sqlite":
        commit(empty_log, 2)
        empty_log.sequence()
        commit(empty_log, 1)
    else:
        with empty_log.database.write() as slow:
            write(slow, 1)
            commit(empty_log, 2)
            empty_log.sequence()
            assert empty_log.places() == [2]
    empty_log.sequence()
    assert empty_log.places() == [2, 1]


class Overtaken(Database):
    """A database in which another sequencer is faster, just before this one writes."""

    @contextmanager
    def write(self) -> Iterator[Connection]:
        Log(Database(self.engine)).sequence()
        with super().write() as connection:
            yield connection


@pytest.mark.parametrize("before", [0, 5])
def test_who_is_overtaken_changes_nothing(empty_log: Log, before: int) -> None:
    empty_log.write(before)
    empty_log.sequence()
    empty_log.write(10)

    assert sequence(Overtaken(empty_log.database.engine)) == 0

    assert empty_log.places() == empty_log.ids()
    assert empty_log.verify().findings == []


def test_several_sequencers_and_writers_at_once(empty_log: Log) -> None:
    writing = threading.Event()

    def writer() -> None:
        for _ in range(15):
            empty_log.write(10)

    def sequencer() -> None:
        while writing.is_set():
            sequence(empty_log.database, 7)

    writing.set()
    with ThreadPoolExecutor(6) as pool:
        sequencers = [pool.submit(sequencer) for _ in range(3)]
        writers = [pool.submit(writer) for _ in range(3)]
        for future in writers:
            future.result()
        writing.clear()
        for future in sequencers:
            future.result()
    empty_log.sequence()

    assert sorted(empty_log.places()) == empty_log.ids()
    assert len(empty_log.ids()) == 450
    assert empty_log.verify().findings == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_sequencer_may_be_killed_at_every_commit(empty_log: Log, at: int, after: bool) -> None:
    empty_log.write(600)
    mortal = Mortal(empty_log.database, at, after=after)
    with pytest.raises(Killed):
        list(iter(lambda: sequence(mortal, 256), 0))
    with empty_log.database.read() as connection:
        assert read_head(connection).edge.size == min((at - (not after)) * 256, 600)
    assert empty_log.verify().findings == []

    empty_log.sequence()

    assert empty_log.places() == empty_log.ids()
    assert empty_log.verify().findings == []


def test_the_stored_tree_proves_what_its_head_says(empty_log: Log) -> None:
    empty_log.write(1500)
    empty_log.sequence()
    with empty_log.database.read() as connection:
        edge, stored = read_head(connection).edge, StoredTree(connection)
        assert stored.root(1500) == edge.root
        assert connection.scalar(select(tree.nodes.c.level).where(tree.nodes.c.level != 8)) is None
        assert len(stored.inclusion(777, 1500)) == 11


@pytest.mark.parametrize("table", [audit, tree.leaves, tree.nodes, tree.checkpoints])
@pytest.mark.parametrize("verb", ["change", "remove", "truncate"])
def test_the_database_refuses_every_change(empty_log: Log, table: Table, verb: str) -> None:
    empty_log.write(300)
    empty_log.sequence()
    empty_log.sign()
    first = next(iter(table.c)).name
    statement = {
        "change": f"UPDATE {table.name} SET {first} = {first}",
        "remove": f"DELETE FROM {table.name}",
        "truncate": f"TRUNCATE {table.name}",
    }[verb]
    if verb == "truncate" and empty_log.database.dialect == "sqlite":
        statement = f"DELETE FROM {table.name} WHERE 1"

    with (
        pytest.raises(DatabaseError, match="never changed or removed"),
        empty_log.database.write() as connection,
    ):
        connection.exec_driver_sql(statement)
