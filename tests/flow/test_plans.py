"""No stage reads a whole table, however many requests there are."""

import re
import threading
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from pipeline.approve import past, waiting
from pipeline.crypto import names
from pipeline.database.engine import open_database
from pipeline.run.gathering import gather
from pipeline.signer import browse, operate
from pipeline.signer.audit.check_certificates import CHUNK, chunks
from pipeline.states import SIGNER_STATES, State
from pipeline.web import lookup
from pipeline.web.metrics import RequestsByState
from pipeline.web.tables import LANES
from tests.flow.conftest import MakeWorld
from tests.flow.desks import open_as_approver, open_desk
from tests.flow.filled import fill
from tests.flow.plans import crossed, plans, scans
from tests.flow.world import World

REUSE = """
[profiles.server]
[[rules]]
name = "reuse"
action = "sign"
key_reuse = "refuse"
"""

LONG_LIST = text(
    """INSERT INTO blocked_keys (name, reason, by, blocked_at)
       SELECT substr(md5(n::text), 1, 20), 'a list', 'operator', now()
       FROM generate_series(1, 100000) n"""
)


@pytest.mark.parametrize("make_world", ["postgresql"], indirect=True)
def test_no_stage_reads_a_whole_table(make_world: MakeWorld) -> None:
    world = make_world()
    fill(world.web_database, "web")
    fill(world.signer_database, "signer")

    with plans(world.web_database, world.signer_database) as found:
        live(world)
        look(world)

    assert len(found) > 20
    assert scans(found) == {}
    assert crossed(found) == {}


def look(world: World) -> None:
    """Let people look at lists, operators act, and everything be tidied up."""
    for states in ([], *([state] for state in sorted(SIGNER_STATES))):
        assert len(browse.newest(world.signer_database, states, 50)) <= 50
    request = browse.newest(world.signer_database, [], 1)[0].id
    browse.whole(world.signer_database, request)
    with pytest.raises(operate.NotPossible):
        operate.retry(world.signer_database, request, "operator", world.time())
    with world.web_database.read() as connection:
        page, following = lookup.listed(connection, "ci", limit=20)
        assert len(page) == 20
        assert following is not None
        lookup.listed(connection, "ci", cursor=following, limit=20)
        lookup.listed(connection, "nobody", limit=20)
        lookup.listed(connection, "ci", states=[State.REJECTED, State.FAILED], limit=20)
    for clock in (world.web_clock, world.signer_clock):
        clock.tidy()


@pytest.mark.parametrize("make_world", ["postgresql"], indirect=True)
def test_an_approver_s_look_at_the_past_reads_no_whole_table(make_world: MakeWorld) -> None:
    """Also of a requester, a key and a name that came very often, and for a hundred at once."""
    world = make_world()
    fill(world.signer_database, "signer")
    ids = [world.submit(f"h{number}.example.com", requester="ci") for number in range(100)]
    world.run()
    with world.signer_database.write() as connection:
        connection.execute(text("UPDATE submissions SET key_fingerprint = repeat('a', 64)"))
        connection.execute(
            text("UPDATE issued_names SET digest = :digest WHERE digest = sha256('often')"),
            {"digest": names.dns("h0.example.com").digest},
        )
        connection.exec_driver_sql("ANALYZE")
    approver = open_as_approver(world)
    desk = open_desk(world, approver, "approver")

    with plans(approver) as found:
        shown = desk.look_at_all(waiting.oldest(approver, 100))
        history = desk.history(shown[0])
        waiting.next_after(approver, None)
        waiting.ids_from(approver, ids[0], ids[-1], 6)
        waiting.count(approver)
    approver.dispose()

    assert scans(found) == {}
    for statement, plan in found.items():
        assert not re.search(r"Hash|Merge", plan), (statement, plan)  # they read all of both sides
    assert [one.request.id for one in shown] == sorted(ids)
    new = {one.csr.names[0].value: one.past.new_names for one in shown if one.csr and one.past}
    assert [host for host, names_of in new.items() if not names_of] == ["h0.example.com"]
    assert all(one.past and one.past.key_of_others and not one.past.first for one in shown)
    assert len(history.of_requester) == len(history.of_key) == past.RECENT


@pytest.mark.parametrize("make_world", ["postgresql"], indirect=True)
def test_keys_are_looked_up_and_certificates_checked_without_reading_a_whole_table(
    make_world: MakeWorld,
) -> None:
    world = make_world(policy=REUSE)
    fill(world.signer_database, "signer")
    with world.signer_database.write() as connection:
        connection.execute(LONG_LIST)

    with plans(world.signer_database) as found:
        ids = [world.submit(f"host-{number}.test", run=True) for number in range(2)]
        assert len(next(chunks(world.signer_database, None))) == CHUNK

    assert [world.signer_row(one).state for one in ids] == ["issued", "rejected"]
    assert any("ix_submissions_key_fingerprint" in plan for plan in found.values())
    assert scans(found) == {}
    assert not any("Seq Scan on blocked_keys" in plan for plan in found.values())


@pytest.mark.parametrize("make_world", ["postgresql"], indirect=True)
def test_what_is_under_way_is_counted_without_reading_what_is_over(make_world: MakeWorld) -> None:
    """What is over is counted once a minute, which reads everything."""
    world = make_world()
    fill(world.web_database, "web")
    collector = RequestsByState(world.web_database)
    list(collector.collect())

    with plans(world.web_database) as found:
        list(collector.collect())

    assert len(found) == len(LANES)
    assert scans(found) == {}


@pytest.mark.parametrize("make_world", ["postgresql"], indirect=True)
def test_a_list_reads_what_it_shows_and_nothing_else(make_world: MakeWorld) -> None:
    """Also one of what there is not, or little: PostgreSQL does not know the values when it plans."""
    world = make_world()
    fill(world.web_database, "web")
    with world.web_database.write() as connection:
        connection.exec_driver_sql("UPDATE requests SET requester = 'ci', state = 'issued'")
        connection.exec_driver_sql("ANALYZE")
    database = open_database(world.web_database.engine.url, by_keys=True)
    done: list[str] = []
    with database.read() as connection:
        driver: Any = connection.connection.driver_connection
        driver.add_notice_handler(lambda notice: done.append(notice.message_primary))
        for setting in (
            "LOAD 'auto_explain'",
            "SET auto_explain.log_min_duration = 0",
            "SET auto_explain.log_analyze = on",
            "SET client_min_messages = log",
        ):
            connection.exec_driver_sql(setting)
        _, following = lookup.listed(connection, "ci", limit=20)
        assert following is not None
        for states in ((), (State.SUBMITTED, State.RELAYED), (State.REJECTED, State.FAILED)):
            for cursor in ("", following):
                lookup.listed(connection, "ci", states=states, cursor=cursor, limit=20)
    database.dispose()

    assert len(done) == 7
    assert [plan for plan in done if "Rows Removed by Filter" in plan] == []


def live(world: World) -> None:
    """Let every stage and every clock do what it does."""
    signed = [world.submit(f"host-{number}.test") for number in range(3)]
    rejected = world.submit("host.invalid")
    accepted, refused, withdrawn, left = (
        world.submit(f"{name}.example.com") for name in ("a", "b", "c", "d")
    )
    world.run()
    world.decide(accepted, "accept")
    world.decide(refused, "reject", reason="Not ours.")
    world.withdraw(withdrawn)
    gather(world.web, threading.Event())
    world.time.move(days=31)
    world.sweep()
    ends = {
        **dict.fromkeys((*signed, accepted), "issued"),
        **dict.fromkeys((rejected, refused), "rejected"),
        withdrawn: "withdrawn",
        left: "expired",
    }
    assert {one: world.states(one) for one in ends} == {
        one: (end, end) for one, end in ends.items()
    }


@pytest.mark.parametrize("make_world", ["postgresql"], indirect=True)
def test_a_statement_that_reads_a_whole_table_would_be_seen(make_world: MakeWorld) -> None:
    """As would one that looks up every pair of two lists of ids."""
    world = make_world()
    fill(world.signer_database, "signer")
    reads = "SELECT count(*) FROM requests WHERE reason = 'x'"
    crosses = "SELECT 1 FROM requests WHERE id = ANY(%(ids)s) AND id = ANY(%(ids)s)"
    ids = [UUID(int=1), UUID(int=2)]

    with plans(world.signer_database) as found, world.signer_database.read() as connection:
        connection.exec_driver_sql(reads)
        connection.exec_driver_sql(crosses, {"ids": ids})

    assert list(scans(found)) == [reads]
    assert list(crossed(found)) == [crosses]
