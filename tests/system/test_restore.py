"""An old backup restored in the middle of a load: nothing gets two certificates, nothing is stuck."""

import random
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from cryptography import x509

from tests.chaos import verdict
from tests.chaos.approver import Approver
from tests.chaos.crew import Crew
from tests.chaos.ground import Ground
from tests.chaos.load import Load
from tests.chaos.run import wait_until_up
from tests.system.installation import done, httpca
from tests.waiting import wait_until

NUMBERS: Final = {"web": 1, "web-worker": 1, "web-clock": 1, "signer-worker": 2, "signer-clock": 1}

OF_SIGNER: Final = ("signer-worker", "signer-clock")
OF_WEB: Final = ("web", "web-worker", "web-clock")

FORGOTTEN: Final = 10
"""At least so many requests are acknowledged after the backup."""


class Watcher:
    """Fetches every certificate by HTTP as soon as there is one, and never forgets it."""

    def __init__(self, ground: Ground, token: str, load: Load) -> None:
        self.seen: dict[str, str] = {}
        self.changed: list[str] = []
        self._ground = ground
        self._load = load
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def look(self, ids: list[str]) -> None:
        """Ask for each request once."""
        for one in ids:
            try:
                url = f"{self._ground.urls[0]}/api/v1/requests/{one}"
                answer = self._session.get(url, timeout=5)
            except requests.RequestException:
                continue
            certificate = answer.json().get("certificate") if answer.ok else None
            if certificate and self.seen.setdefault(one, certificate) != certificate:
                self.changed.append(one)

    def _work(self) -> None:
        while not self._stopping.wait(0.1):
            self.look([one for one in acknowledged(self._load) if one not in self.seen])


def acknowledged(load: Load) -> list[str]:
    return [one for found in list(load.ledger.ids.values()) for one in list(found)]


@pytest.fixture
def ground() -> Iterator[Ground]:
    with Ground() as ground:
        yield ground


def back_up(ground: Ground, side: str) -> Path:
    file = ground.folder / f"{side}.tar"
    done(httpca("backup", file, "--config", ground.directory / side))
    return file


def destroy(ground: Ground, side: str) -> None:
    """Lose a side's database and its folder."""
    server, name = ground.postgresql[side], f"httpca_{side}"
    server.drop_database(name)
    server.create_database(name)
    (ground.directory / side).rename(ground.directory / f"{side}.lost")


def restore(ground: Ground, side: str, file: Path) -> None:
    done(httpca("restore", file, "--config", ground.directory / side))


def count(ground: Ground, side: str, query: str) -> int:
    with ground.connect(side) as connection:
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


ISSUED: Final = "SELECT count(*) FROM certificates"


def stop(crew: Crew, *kinds: str) -> None:
    for service in crew.of(*kinds):
        service.dismiss()


def start_again(crew: Crew, *kinds: str) -> None:
    for service in crew.of(*kinds):
        service.engage()


def serials(certificates: Any) -> list[int]:
    return [x509.load_pem_x509_certificate(one.encode()).serial_number for one in certificates]


def held(ground: Ground, side: str) -> dict[str, bytes]:
    with ground.connect(side) as connection:
        query = "SELECT request_id::text, certificate FROM certificates"
        return {str(one): bytes(octets) for one, octets in connection.execute(query)}


def test_a_signer_restored_in_the_middle_of_a_load_gives_no_request_a_second_certificate(
    ground: Ground,
) -> None:
    token = ground.token("clients")
    with ground.crew(NUMBERS) as crew:
        wait_until_up(ground)
        load = Load(ground.urls, token, 400, 15.0, random.Random(1))
        approver, watcher = Approver(ground.approver), Watcher(ground, token, load)
        try:
            load.start()
            approver.start()
            wait_until(lambda: count(ground, "signer", ISSUED) >= 20)
            old = back_up(ground, "signer")
            before = count(ground, "signer", ISSUED)
            wait_until(lambda: count(ground, "signer", ISSUED) >= before + 60)
            stop(crew, *OF_SIGNER)
            destroy(ground, "signer")
            restore(ground, "signer", old)
            start_again(crew, *OF_SIGNER)
            wait_until(
                lambda: (
                    "signing-is-suspended"
                    in "".join(service.logged() for service in crew.of("signer-worker"))
                )
            )
            forgotten = count(ground, "signer", ISSUED)
            wait_until(lambda: ground.rabbitmq.queues()["web.deliver"] == 0)
            exported = ground.folder / "held.jsonl"
            exported.write_text(done(httpca("export", "--config", ground.directory / "web")))
            assert count(ground, "signer", ISSUED) == forgotten
            wait_until(lambda: len(watcher.seen) > forgotten)
            done(httpca("signer", "reconcile", exported, "--config", ground.directory / "signer"))
            load.finish()
            wait_until(lambda: load.done and verdict.unsettled(ground) == 0)
            watcher.look(acknowledged(load))
        finally:
            approver.stop()
            load.stop()
            watcher.stop()
        judged = verdict.judge(ground, load.ledger)
        stop(crew)

    assert {what: ids for what, ids in judged.broken.items() if ids} == {}
    assert watcher.changed == []
    by_signer = held(ground, "signer")
    for one, certificate in watcher.seen.items():
        found = x509.load_pem_x509_certificate(certificate.encode())
        assert found == x509.load_der_x509_certificate(by_signer[one])
    assert len(set(serials(watcher.seen.values()))) == len(watcher.seen) == len(by_signer)


def test_a_web_side_restored_in_the_middle_of_a_load_learns_what_it_forgot(
    ground: Ground,
) -> None:
    """Lost is only what was acknowledged and never sent: neither side knows it, and nobody signs it."""
    token = ground.token("clients")
    with ground.crew(NUMBERS) as crew:
        wait_until_up(ground)
        load = Load(ground.urls, token, 300, 12.0, random.Random(2))
        watcher = Watcher(ground, token, load)
        try:
            load.start()
            wait_until(lambda: count(ground, "web", ISSUED) >= 20)
            old = back_up(ground, "web")
            since = len(acknowledged(load)) + FORGOTTEN
            wait_until(lambda: len(acknowledged(load)) >= since)
            wait_until(lambda: count(ground, "web", ISSUED) >= 80)
            load.stop()  # so that what was acknowledged is known exactly
            watcher.stop()
            stop(crew, *OF_WEB)
            destroy(ground, "web")
            restore(ground, "web", old)
            start_again(crew, *OF_WEB)
            wait_until_up(ground)
            ids = set(acknowledged(load))
            missing = [one for one in ids if status(ground, token, one) == HTTPStatus.NOT_FOUND]
            assert len(missing) >= FORGOTTEN
            known = ground.folder / "known.jsonl"
            known.write_text(
                done(httpca("signer", "export", "--config", ground.directory / "signer"))
            )
            done(httpca("reconcile", known, "--config", ground.directory / "web"))
            wait_until(lambda: not open_requests(ground, "web", SIGNED_AT_ONCE))
        finally:
            load.stop()
        web, signer = (held(ground, side) for side in ("web", "signer"))
        lost = {one for one in ids if status(ground, token, one) == HTTPStatus.NOT_FOUND}
        in_doubt = lost & every_id(ground, "signer")
        watcher.look(sorted(ids))
        stop(crew)

    assert in_doubt == set()
    assert lost.isdisjoint(signer)
    assert web == signer
    assert watcher.changed == []
    assert len(set(serials(watcher.seen.values()))) == len(watcher.seen)


SIGNED_AT_ONCE: Final = (
    "SELECT id::text FROM requests WHERE state NOT IN"
    " ('issued', 'rejected', 'withdrawn', 'waiting_for_approval')"
)


def open_requests(ground: Ground, side: str, query: str) -> list[str]:
    with ground.connect(side) as connection:
        return [str(one) for (one,) in connection.execute(query)]


def every_id(ground: Ground, side: str) -> set[str]:
    return set(open_requests(ground, side, "SELECT id::text FROM requests"))


def status(ground: Ground, token: str, request: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{ground.urls[0]}/api/v1/requests/{request}"
    return requests.get(url, headers=headers, timeout=30).status_code
