"""Threads that take turns stay on one processor."""

import os
from concurrent.futures import ThreadPoolExecutor

from pipeline.run import processor


def test_a_thread_and_those_that_it_starts_stay_on_one_processor() -> None:
    before = os.sched_getaffinity(0)

    def allowed() -> set[int]:
        return os.sched_getaffinity(0)

    def stays() -> tuple[set[int], set[int]]:
        processor.stay()
        with ThreadPoolExecutor(1) as inner:
            return allowed(), inner.submit(allowed).result()

    with ThreadPoolExecutor(1) as outer:
        own, started = outer.submit(stays).result()

    assert len(own) == 1
    assert own <= before
    assert started == own
    assert os.sched_getaffinity(0) == before
