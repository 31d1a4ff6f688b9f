"""Waiting in place for what is out of reach, and for nothing else."""

import threading

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from pipeline.actors.patience import Patience, Stopped
from pipeline.errors import BrokerUnavailable, ItemFailed, KeyUnavailable


class Impatient(threading.Event):
    """A stop event that does not really wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        return self.is_set()


@pytest.mark.parametrize(
    "error",
    [
        BrokerUnavailable("out"),
        KeyUnavailable("out"),
        OperationalError("SELECT 1", {}, Exception("connection refused")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_work_is_tried_again_until_the_infrastructure_is_back(error: Exception) -> None:
    stopping, failures = Impatient(), [error] * 9

    def work() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert Patience(stopping)(work) == "done"
    assert stopping.waited == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


@pytest.mark.parametrize(
    "error",
    [ItemFailed("bad"), ZeroDivisionError(), IntegrityError("INSERT", {}, Exception("double"))],
    ids=lambda error: type(error).__name__,
)
def test_an_item_s_own_error_is_not_waited_out(error: Exception) -> None:
    def work() -> None:
        raise error

    with pytest.raises(type(error)):
        Patience(Impatient())(work)


def test_the_lease_is_kept_before_each_further_try() -> None:
    kept, failures = [], [BrokerUnavailable("out")] * 3

    def work() -> None:
        if failures:
            raise failures.pop()

    Patience(Impatient())(work, keep=lambda: kept.append(len(failures)))

    assert kept == [2, 1, 0]


def test_keeping_the_lease_may_fail_too() -> None:
    """The database that holds the lease is what is out of reach."""
    out = [OperationalError("UPDATE", {}, Exception("refused"))] * 3

    def keep() -> None:
        if out:
            raise out.pop()

    tries = []

    def work() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise BrokerUnavailable("out")

    Patience(Impatient())(work, keep=keep)
    assert len(tries) == 2


def test_a_process_that_stops_does_not_wait() -> None:
    stopping = Impatient()
    stopping.set()

    def work() -> None:
        raise BrokerUnavailable("out")

    with pytest.raises(Stopped):
        Patience(stopping)(work)
