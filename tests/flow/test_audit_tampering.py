"""Whoever changes the log in the signer's database, knowing how, is found out; and where it was."""

import tracemalloc
from collections.abc import Iterator
from hashlib import sha256

import pytest
from sqlalchemy import Connection, text

from pipeline.database.engine import Database
from tests.flow.audit_log import CERTIFICATES, Log, Within, forge, kinds, sentences, unlock
from tests.flow.audit_log import empty as remove_everything
from tests.flow.tamperings import FORGERIES, OTHER_KINDS, TAMPERINGS

FIRST = 100 + CERTIFICATES
"""The size of the first checkpoint that was kept; then 305 and 605."""


def hyphens(name: str) -> str:
    return name.replace(" ", "-")


@pytest.fixture(scope="module")
def log(signer_database: Database) -> Iterator[Log]:
    """A log of 605 entries with three kept checkpoints; tests roll back what they do to it."""
    made = Log(signer_database)
    made.issue()
    made.write(100)
    made.sequence()
    made.sign()
    made.write(200)
    made.sequence()
    made.sign()
    made.write(300)
    made.sequence()
    made.sign()
    yield made
    with signer_database.write() as connection:
        remove_everything(connection)


def test_a_log_that_nobody_touched_is_verified(log: Log) -> None:
    report = log.verify()
    assert report.findings == []
    assert (report.size, report.root) == (605, log.kept[-1].root.hex())
    assert report.checkpoints == 6  # as many as were kept, and as many in the database
    assert report.certificates == CERTIFICATES
    assert report.waiting == 0


@pytest.mark.parametrize("name", TAMPERINGS, ids=hyphens)
def test_it_is_found_out_when_somebody(name: str, log: Log) -> None:
    statements, expected, names = TAMPERINGS[name]
    with log.database.engine.connect() as connection:
        unlock(connection)
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount != 0
        report = log.verify(Within(log.database, connection))
        connection.rollback()

    assert kinds(report) == expected
    assert any(names in finding.sentence for finding in report.findings)


@pytest.mark.parametrize("signer_database", ["sqlite"], indirect=True, scope="module")
@pytest.mark.parametrize("name", OTHER_KINDS, ids=hyphens)
def test_it_is_found_out_that(name: str, log: Log) -> None:
    statement, expected = OTHER_KINDS[name]
    with log.database.engine.connect() as connection:
        unlock(connection)
        connection.exec_driver_sql(statement)
        report = log.verify(Within(log.database, connection))
        connection.rollback()
    assert kinds(report) == {expected}


def test_it_is_found_out_when_an_entry_tells_of_two_certificates(log: Log) -> None:
    """Of two members of one name SQLite takes the first, and whoever computes the hash the last."""
    row = "serial = '0000000000000000000000000000000000000003'"
    with log.database.engine.connect() as connection:
        unlock(connection)
        other = b"not what was issued"
        connection.execute(
            text(f"UPDATE certificates SET certificate = :c WHERE {row}"), {"c": other}
        )
        before = connection.scalar(text("SELECT CAST(details AS TEXT) FROM audit WHERE id = 4"))
        twice = f'{{"certificate":"{sha256(other).hexdigest()}",{before[1:]}'
        connection.execute(text("UPDATE audit SET details = :d WHERE id = 4"), {"d": twice})
        report = log.verify(Within(log.database, connection))
        connection.rollback()
    assert "entry 4 (leaf 3) is not what was sequenced" in sentences(report, "changed")


def test_when_a_checkpoint_was_signed_is_no_part_of_it(log: Log) -> None:
    with log.database.engine.connect() as connection:
        unlock(connection)
        connection.execute(text("UPDATE audit_checkpoints SET signed_at = 'infinity'"))
        report = log.verify(Within(log.database, connection))
        connection.rollback()
    assert (report.findings, report.checkpoints) == ([], 6)


@pytest.mark.parametrize("name", FORGERIES, ids=hyphens)
def test_a_kept_checkpoint_finds_it_out_when_somebody_makes_the_tree_anew_and(
    name: str, log: Log
) -> None:
    statements, names = FORGERIES[name]
    with log.database.engine.connect() as connection:
        unlock(connection)
        for statement in statements:
            assert connection.execute(text(statement)).rowcount != 0
        forge(connection)
        report = log.verify(Within(log.database, connection))
        without = Log(log.database).verify(Within(log.database, connection))
        connection.rollback()

    assert kinds(report) <= {"rewritten", "shorter"}
    assert names in [*sentences(report, "rewritten"), *sentences(report, "shorter")][0]
    assert without.findings == [], "nothing but a kept checkpoint can tell"


def test_an_entry_that_keeps_all_others_from_their_places_is_found(log: Log) -> None:
    """Whoever inserts one could else change, for ever, what is written after it."""
    with log.database.engine.connect() as connection:
        unlock(connection)
        connection.exec_driver_sql(
            "INSERT INTO audit (id, at, event, details)"
            """ SELECT 606, at, event, '{"number": 1e400}' FROM audit WHERE id = 50"""
        )
        report = log.verify(Within(log.database, connection))
        connection.rollback()
    assert (kinds(report), report.waiting) == ({"unreadable"}, 1)
    assert "entry 606 of the audit cannot be read" in sentences(report, "unreadable")[0]


def most_memory(log: Log, connection: Connection) -> int:
    tracemalloc.start()
    try:
        assert log.verify(Within(log.database, connection)).findings == []
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_many_checkpoints_are_never_all_in_memory(log: Log) -> None:
    """There is one for each minute in which something was done, for ever."""
    with log.database.engine.connect() as connection:
        most_memory(log, connection)  # what is read once
        few = most_memory(log, connection)
        for below in (605, 7):
            connection.exec_driver_sql(
                "INSERT INTO audit_checkpoints (size, root, note, signed_at)"
                " SELECT size, root, note, signed_at FROM audit_checkpoints, audit_leaves"
                f" WHERE size = 605 AND leaf < {below}"
            )
        many = most_memory(log, connection)
        connection.rollback()
    assert many < few + 1_500_000
