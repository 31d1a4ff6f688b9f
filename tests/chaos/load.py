"""The load: clients that submit by HTTP at a steady pace, and never give up a request.

A client that gets no answer sends the same again with the same Idempotency-Key. So it is known
exactly what was acknowledged: one id for each key.
"""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import requests

from tests import factories

CLIENTS: Final = 8

NO_ANSWER_AFTER: Final = 5.0
"""Seconds after which a client asks another web process."""

PAUSE: Final = 0.25
"""Seconds before a client that got no answer tries again."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request: under which name, how many in a hundred, and how it ends."""

    name: str
    share: int
    end: str


KINDS: Final = {
    "signed": Kind("signed.test", 60, "issued"),
    "approved": Kind("approved.example.com", 15, "issued"),
    "declined": Kind("declined.example.com", 5, "rejected"),
    "rejected": Kind("rejected.invalid", 10, "rejected"),
    "withdrawn": Kind("withdrawn.example.com", 10, "withdrawn"),
}


@dataclass
class Ledger:
    """What the clients know: the kind and the acknowledged ids of each request."""

    kinds: dict[int, str] = field(default_factory=dict)
    ids: dict[int, set[str]] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)


TRICKLE: Final = 0.25
"""Seconds between two requests when all that were wanted have been submitted."""


class Load:
    """``count`` requests over ``seconds``; what comes too late for its moment is sent at once.

    Then a few more, until ``finish`` is called: so that a late fault still meets some.
    """

    def __init__(
        self, urls: Sequence[str], token: str, count: int, seconds: float, rng: random.Random
    ) -> None:
        self.ledger = Ledger()
        self._urls = urls
        self._token = token
        self._count = count
        self._seconds = seconds
        self._rng = rng
        self._next = itertools.count()
        self._finishing = threading.Event()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(rng.random(),), name="client", daemon=True)
            for _ in range(CLIENTS)
        ]

    @property
    def done(self) -> bool:
        """Whether every request has been acknowledged."""
        return not any(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Begin no more requests than were wanted."""
        self._finishing.set()

    def stop(self) -> None:
        """End the clients, whatever they still wanted."""
        self._stopping.set()
        self._finishing.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _work(self, seed: float) -> None:
        client = _Client(self._urls, self._token, self._stopping, random.Random(seed), self.ledger)
        while not self._stopping.is_set():
            with self._lock:
                number = next(self._next)
                (kind,) = self._rng.choices(list(KINDS), [one.share for one in KINDS.values()])
            ended = self._stopping if number < self._count else self._finishing
            ended.wait(max(0.0, self._moment(number) - time.monotonic()))
            if number >= self._count and self._finishing.is_set():
                return
            client.submit(number, kind)

    def _moment(self, number: int) -> float:
        late = max(0, number - self._count)
        return self._began + (number - late) * self._seconds / self._count + late * TRICKLE


class _Client:
    """One client with connections of its own; it chooses a web process for each attempt."""

    def __init__(
        self,
        urls: Sequence[str],
        token: str,
        stopping: threading.Event,
        rng: random.Random,
        ledger: Ledger,
    ) -> None:
        self._urls = urls
        self._stopping = stopping
        self._rng = rng
        self._ledger = ledger
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def submit(self, number: int, kind: str) -> None:
        """Submit a request until it is acknowledged; now and then once more, as if it were not."""
        csr = factories.csr(names=[f"DNS:host-{number}.{KINDS[kind].name}"])
        headers = {"Content-Type": "application/pkcs10", "Idempotency-Key": f"request-{number}"}
        self._ledger.kinds[number] = kind
        ids = self._ledger.ids.setdefault(number, set())
        for _ in range(2 if self._rng.random() < 0.02 else 1):
            answer = self._call(
                "POST", "/api/v1/requests?profile=server", HTTPStatus.ACCEPTED, csr, headers
            )
            if answer is None:
                return
            ids.add(answer.json()["id"])
        if kind == "withdrawn":
            for one in ids:
                self._call("DELETE", f"/api/v1/requests/{one}", HTTPStatus.ACCEPTED, None, {})

    def _call(
        self,
        method: str,
        path: str,
        wanted: HTTPStatus,
        body: bytes | None,
        headers: dict[str, str],
    ) -> requests.Response | None:
        """Ask until there is an answer; None when it is another one, or the run ends."""
        while not self._stopping.is_set():
            url = self._rng.choice(self._urls) + path
            try:
                answer = self._session.request(
                    method, url, data=body, headers=headers, timeout=NO_ANSWER_AFTER
                )
            except requests.RequestException as error:
                self._note(type(error).__name__)
            else:
                self._note(str(answer.status_code))
                if answer.status_code == wanted or _done_before(method, answer):
                    return answer
                if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                    self._ledger.unexpected.append(f"{method}: {answer.status_code} {answer.text}")
                    return None
                if "Retry-After" not in answer.headers:
                    self._ledger.unexpected.append("a 503 without Retry-After")
            self._stopping.wait(PAUSE * self._rng.uniform(0.5, 1.5))
        return None

    def _note(self, what: str) -> None:
        with _NOTES:
            self._ledger.answers[what] += 1


def _done_before(method: str, answer: requests.Response) -> bool:
    """Say whether an earlier attempt to withdraw, which got no answer, has succeeded."""
    return method == "DELETE" and answer.status_code == HTTPStatus.CONFLICT


_NOTES = threading.Lock()
