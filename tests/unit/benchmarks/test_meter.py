"""CPU time and memory of processes, by part."""

import os
import subprocess
import sys
import time

from benchmarks.ground import pin
from benchmarks.meter import Meter, processes

BUSY = (
    "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ninput()"
)


def test_what_a_child_spends_is_counted_for_its_part() -> None:
    child = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE)
    try:
        meter = Meter({"child": [child.pid]})
        deadline = time.monotonic() + 60
        while meter.cpu()["child"] < 0.2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert meter.memory()["child"] > 1
        assert meter.members() == {"child": [child.pid]}
    finally:
        child.communicate(b"\n")


def test_our_own_processes_are_told_by_their_command_line() -> None:
    script = "input()"
    for words, part in (
        (["httpca", "run", "signer-worker", "--config", "x"], "signer-worker"),
        (["postgres: postgres httpca_web_12ab 127.0.0.1(5) idle"], "PostgreSQL web"),
        (["postgres: checkpointer"], "all"),
    ):
        child = subprocess.Popen([sys.executable, "-c", script, *words], stdin=subprocess.PIPE)
        try:
            # Between fork and exec the command line is still that of this process.
            deadline = time.monotonic() + 60
            while words[-1] not in processes()[child.pid].command:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert list(Meter({"all": [child.pid]}).members()) == [part]
        finally:
            child.communicate(b"\n")


def test_a_process_is_pinned_with_all_its_threads() -> None:
    script = "import threading\nthreading.Thread(target=input).start()\nprint('up', flush=True)"
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        core = max(os.sched_getaffinity(0))
        pin(child.pid, {core})
        threads = os.listdir(f"/proc/{child.pid}/task")
        assert len(threads) == 2
        assert all(os.sched_getaffinity(int(thread)) == {core} for thread in threads)
    finally:
        child.communicate(b"\n")
