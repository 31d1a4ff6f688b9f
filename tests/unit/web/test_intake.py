"""New requests that come at the same time are stored by one commit, and none harms another."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import OperationalError

from pipeline.database.engine import Database
from pipeline.web import tables
from pipeline.web.idempotency import Taken, once
from pipeline.web.identifiers import request_id
from pipeline.web.intake import Intake, New
from pipeline.web.notify import SUBMITTED
from pipeline.web.submit import FEW, Wish, submit_all
from tests import factories
from tests.unit.web.test_aside import Thread
from tests.website import Website

AT_ONCE = 8


class Slow(Database):
    """A database whose first commit takes until it is told to go on."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.engine)
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.commits = 0
        self.fails = False

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction."""
        with super().write() as connection:
            yield connection

    def commit(self, connection: Connection) -> None:
        self.commits += 1
        if self.commits == 1:
            self.begun.set()
            assert self.go_on.wait(60)
        if self.fails:
            raise OperationalError("COMMIT", {}, Exception("gone"))
        super().commit(connection)


def new(website: Website, key: str | None = None, csr: bytes = b"csr") -> New:
    made = once(key, csr) if key else None
    at = website.moment
    return New(request_id(at), at, None, csr, "server", "api", "", made)


def meet(intake: Intake, slow: Slow, first: New, others: list[New]) -> list[Exception | None]:
    """Store ``others`` while the commit of ``first`` is under way; return what each met."""
    met: dict[str, Exception | None] = {}

    def store(one: New) -> None:
        try:
            intake.store([one])
            met[one.id] = None
        except (Taken, OperationalError) as error:
            met[one.id] = error

    threads = [threading.Thread(target=store, args=(one,)) for one in (first, *others)]
    threads[0].start()
    assert slow.begun.wait(60)
    for thread in threads[1:]:
        thread.start()
    while len(intake._waiting) < len(others):
        threads[1].join(0.01)
    slow.go_on.set()
    for thread in threads:
        thread.join(60)
    return [met[one.id] for one in (first, *others)]


def stored(website: Website) -> set[str]:
    with website.database.read() as connection:
        ids = set(connection.scalars(select(tables.requests.c.id)))
        audited = connection.scalar(select(func.count()).select_from(tables.audit))
    assert audited == len(ids)
    return ids


def test_those_who_come_meanwhile_share_a_commit(website: Website) -> None:
    slow = Slow(website.database)
    first, others = new(website), [new(website) for _ in range(AT_ONCE)]
    assert meet(Intake(slow), slow, first, others) == [None] * (1 + AT_ONCE)
    assert slow.commits == 2
    assert stored(website) == {one.id for one in (first, *others)}


def test_those_whom_the_serving_thread_begins_in_one_turn_share_a_commit(website: Website) -> None:
    slow = Slow(website.database)
    slow.go_on.set()
    intake, serving = Intake(slow), Thread()
    together = [new(website) for _ in range(AT_ONCE)]
    for one in together:
        serving.rounds.begin(partial(intake.store, [one]))
    assert not serving.tasks
    serving.rounds.hand_over()
    serving.do_task()
    assert (slow.commits, len(serving.tasks)) == (1, 0)
    assert stored(website) == {one.id for one in together}


def test_whoever_takes_a_thread_waits_for_nobody_who_has_none_yet(website: Website) -> None:
    """It may be the last thread: whoever was to commit for both would never be found one."""
    intake, serving = Intake(website.database), Thread()
    begun, second, third = (new(website) for _ in range(3))
    serving.begin(partial(intake.store, [begun]))
    serving.elsewhere(partial(intake.store, [second]))
    assert stored(website) == {begun.id, second.id}
    serving.do_task()  # for which nothing is left to do
    serving.begin(partial(intake.store, [third]))
    serving.do_task()
    assert stored(website) == {begun.id, second.id, third.id}


def test_whoever_takes_a_thread_leads_before_those_who_have_none(website: Website) -> None:
    slow = Slow(website.database)
    intake, serving = Intake(slow), Thread()
    first, second, third = (new(website) for _ in range(3))
    threads = [
        threading.Thread(target=intake.store, args=([one],), daemon=True) for one in (first, third)
    ]
    threads[0].start()
    assert slow.begun.wait(60)
    serving.begin(partial(intake.store, [second]))
    threads[1].start()
    while len(intake._waiting) < 2:
        threads[1].join(0.01)
    slow.go_on.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not serving.tasks
    assert stored(website) == {first.id, second.id, third.id}


def test_a_key_used_twice_at_once_harms_no_other(website: Website) -> None:
    slow = Slow(website.database)
    others = [new(website, f"key-{number // 2}") for number in range(AT_ONCE)]
    first, *met = meet(Intake(slow), slow, new(website), others)
    assert first is None
    assert [isinstance(error, Taken) for error in met].count(True) == AT_ONCE // 2
    assert len(stored(website)) == 1 + AT_ONCE // 2


def test_everybody_is_told_when_the_database_is_out_of_reach(website: Website) -> None:
    slow = Slow(website.database)
    slow.fails = True
    met = meet(Intake(slow), slow, new(website), [new(website) for _ in range(AT_ONCE)])
    assert [isinstance(error, OperationalError) for error in met] == [True] * (1 + AT_ONCE)
    assert stored(website) == set()


def test_nothing_is_stored_of_a_call_that_fails(website: Website) -> None:
    intake = Intake(website.database)
    intake.store([new(website, "key")])
    with pytest.raises(Taken):
        intake.store([new(website), new(website, "key")])
    assert len(stored(website)) == 1


def test_while_commit_follows_commit_only_the_last_is_announced_at_once(
    website: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[int] = []

    def announce(database: Database, channel: str) -> None:
        assert channel == SUBMITTED
        announced.append(len(stored(website)))

    monkeypatch.setattr("pipeline.web.intake.announce", announce)
    monkeypatch.setattr("pipeline.web.intake.ANNOUNCED", 60.0)
    slow = Slow(website.database)
    intake = Intake(slow)
    slow.go_on.set()
    intake.store([new(website)])
    assert announced == [1]
    slow.go_on.clear()
    slow.commits = 0
    slow.begun.clear()
    meet(intake, slow, new(website), [new(website) for _ in range(AT_ONCE)])
    assert slow.commits == 2
    assert announced == [1, 2 + AT_ONCE]


def test_while_commit_follows_commit_some_are_announced(
    website: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[int] = []
    monkeypatch.setattr(
        "pipeline.web.intake.announce", lambda *_: announced.append(len(stored(website)))
    )
    monkeypatch.setattr("pipeline.web.intake.ANNOUNCED", 0.0)
    slow = Slow(website.database)
    meet(Intake(slow), slow, new(website), [new(website) for _ in range(AT_ONCE)])
    assert len(announced) == 2
    assert announced[-1] == 1 + AT_ONCE


def test_whoever_leads_is_not_kept_for_the_others(website: Website) -> None:
    """They come all the time: it would never get its own answer."""
    slow = Slow(website.database)
    intake, ended = Intake(slow), threading.Event()
    again, go_on = threading.Event(), threading.Event()

    def commit(connection: Connection) -> None:
        """Hold the second commit, too."""
        if slow.commits:
            again.set()
            assert go_on.wait(60)
        Slow.commit(slow, connection)

    slow.commit = commit  # type: ignore[method-assign]
    first, second = new(website), new(website)

    def lead() -> None:
        intake.store([first])
        ended.set()

    threads = [
        threading.Thread(target=lead),
        threading.Thread(target=intake.store, args=([second],)),
    ]
    threads[0].start()
    assert slow.begun.wait(60)
    threads[1].start()
    while not intake._waiting:
        threads[1].join(0.01)
    slow.go_on.set()
    assert again.wait(60)
    assert ended.wait(60)
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert stored(website) == {first.id, second.id}


def test_calls_with_many_submissions_are_read_one_after_the_other(website: Website) -> None:
    read: list[str] = []
    begun = threading.Event()

    def clock() -> datetime:
        read.append(threading.current_thread().name)
        begun.set()
        time.sleep(0.001)
        return website.moment

    def call() -> None:
        wishes = [Wish(factories.csr(), "server", "api")] * (FEW + 1)
        submit_all(Intake(website.database), website.settings, wishes, clock)

    first, second = (threading.Thread(target=call, name=name) for name in ("first", "second"))
    first.start()
    begun.wait(60)
    second.start()
    first.join()
    second.join()
    assert read == ["first"] * (FEW + 1) + ["second"] * (FEW + 1)
