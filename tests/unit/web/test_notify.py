"""Notifications are coalesced; on SQLite there is none."""

import threading
import time
from pathlib import Path

from pipeline.database.engine import open_database
from pipeline.web.notify import SUBMITTED, Ear, _Coalescer, announce


def test_calls_during_a_run_share_the_next_one() -> None:
    coalescer = _Coalescer()
    began, go_on = threading.Event(), threading.Event()
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        began.set()
        go_on.wait(120)

    first = threading.Thread(target=coalescer, args=(work,))
    first.start()
    began.wait(120)
    rest = [threading.Thread(target=coalescer, args=(work,)) for _ in range(20)]
    for thread in rest:
        thread.start()
    deadline = time.monotonic() + 60
    while coalescer._asked < 21 and time.monotonic() < deadline:
        time.sleep(0.001)
    go_on.set()
    for thread in (first, *rest):
        thread.join(timeout=120)
    assert len(runs) == 2


def test_a_run_that_fails_leaves_nobody_waiting() -> None:
    coalescer = _Coalescer()

    def broken() -> None:
        raise ZeroDivisionError

    for _ in range(2):
        try:
            coalescer(broken)
        except ZeroDivisionError:
            continue
    runs: list[int] = []
    coalescer(lambda: runs.append(1))
    assert runs == [1]


def test_on_sqlite_there_is_nothing_to_hear(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/web.sqlite")
    announce(database, SUBMITTED)
    ear = Ear(database, SUBMITTED)
    begun = time.monotonic()
    assert ear.wait(0.05) is False
    assert time.monotonic() - begun >= 0.05
    waiting = threading.Thread(target=ear.wait, args=(600,))
    waiting.start()
    ear.close()
    waiting.join(timeout=60)
    assert not waiting.is_alive()
    assert list(tmp_path.iterdir()) == []
