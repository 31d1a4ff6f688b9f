"""A burst: memory stays flat, and neither a lone request nor an approval is starved."""

import json
import os
import threading
import time
from typing import Any, Final

from benchmarks import flood
from benchmarks.bench import Bench
from benchmarks.flood import Flood
from benchmarks.ground import Ground
from benchmarks.load import pem, signed_csr
from benchmarks.loading import Figures, load
from benchmarks.meter import Meter

PAUSE: Final = 1.0
"""Seconds between two looks at the memory, and from the burst's beginning to the lone request."""

LOOK: Final = 0.05
"""Seconds between two looks at a request."""

LONGEST: Final = 300.0
"""Seconds that the lone request has; against hanging only."""


def burst(bench: Bench) -> list[Figures]:
    """Many requests at once by batches; meanwhile a lone one, and one that an approver decides."""
    ground, count = bench.shared(), bench.arguments.burst
    meter = ground.meter()
    before = meter.memory()
    with load(ground, "batches", count, "--connections", "4") as loader:
        samples = Samples(meter)
        lone, decided = Lone(ground, decided=False), Lone(ground, decided=True)
        with samples, lone, decided:
            found = loader.send()
        after = meter.memory()
        loader.check()
    return [
        {
            "count": count,
            "rate": count / found["seconds"],
            "seconds": found["seconds"],
            "lone": lone.found,
            "approval": decided.found,
            "memory before": before,
            "memory at most": samples.most,
            "memory after": after,
            "certificates by then": ground.issued(),
        }
    ]


class Samples:
    """The most memory of each part while the block lasts."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory")
        self.most: dict[str, float] = {}

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ending.wait(PAUSE):
            for part, size in self._meter.memory().items():
                self.most[part] = max(size, self.most.get(part, 0.0))


class Lone:
    """One request of its own, made while the block lasts; ``decided``: an approver has to decide it.

    ``found`` has the seconds from its submission until the certificate is readable; of one that is
    decided also until it waits for approval, and from the approver's command until that has ended.
    """

    def __init__(self, ground: Ground, *, decided: bool) -> None:
        self._ground = ground
        self._decided = decided
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._work, name="lone")
        self.found: dict[str, float] = {}

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        if self._errors:
            raise self._errors[0]

    def _work(self) -> None:
        try:
            time.sleep(PAUSE)
            self._ask_for_one()
        except Exception as error:  # noqa: BLE001 - told to the main thread
            self._errors.append(error)

    def _ask_for_one(self) -> None:
        domain = "example.com" if self._decided else "test"  # see settings/policy.toml
        csr = signed_csr(f"host-{os.urandom(4).hex()}.{domain}")
        asked = json.dumps({"csr": pem(csr), "profile": "server"}).encode()
        began = time.perf_counter()
        request_id = self._ask("POST", "/api/v1/requests", asked)["id"]
        if self._decided:
            self._until(request_id, "waiting_for_approval")
            waiting = time.perf_counter()
            self._ground.installation.approve("accept", request_id)
            self.found["until it waits"] = waiting - began
            self.found["approve command"] = time.perf_counter() - waiting
        self._until(request_id, "issued")
        self.found["until issued"] = time.perf_counter() - began

    def _until(self, request_id: str, state: str) -> None:
        deadline = time.perf_counter() + LONGEST
        while (found := self._ask("GET", f"/api/v1/requests/{request_id}")["state"]) != state:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{request_id} is {found}, not {state}")
            time.sleep(LOOK)

    def _ask(self, verb: str, path: str, body: bytes = b"") -> Any:
        port, token = self._ground.ports[0], self._ground.token
        if verb == "POST":
            request = flood.post(port, token, path, "application/json", body)
        else:
            request = flood.get(port, token, path)
        answers: list[bytes] = []
        asking = Flood([port])
        try:
            asking.each([request], 1, lambda number, seconds, status, body: answers.append(body))
        finally:
            asking.close()
        return json.loads(answers[0])
