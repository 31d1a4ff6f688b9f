"""What a restored signer takes in of what the web side holds, and what it refuses."""

import json
from typing import Any

import pytest

from pipeline.messages import MAX_CSR_BYTES
from pipeline.signer.reconcile import NotImported, reconcile
from pipeline.stages import POLICY
from pipeline.web.export import lines
from tests import factories
from tests.flow.conftest import MakeWorld
from tests.flow.overtaken import overtake
from tests.flow.restored import (
    back_up,
    learn,
    restore,
    settle,
    start_signer,
)
from tests.flow.world import DECIDE, State, World


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda line: "no JSON", "line 1"),
        (lambda line: json.dumps(json.loads(line) | {"extra": 1}), "unknown field"),
        (
            lambda line: json.dumps(json.loads(line) | {"certificate": None}),
            "without a certificate",
        ),
        (lambda line: json.dumps(json.loads(line) | {"issuer": "0" * 64}), "issuer of ours"),
        (lambda line: json.dumps(json.loads(line) | {"certificate": "AAAA"}), "is not ours"),
        (lambda line: json.dumps(json.loads(line) | {"requester": "a\0b"}), "contains NUL"),
        (lambda line: json.dumps(json.loads(line) | {"profile": "x" * 201}), "line 1"),
    ],
)
def test_what_is_not_ours_is_not_imported(spoil: Any, why: str, world: World) -> None:
    backup = back_up(world.signer_database)
    request = world.submit("host.test", run=True)
    line, _ = lines(world.web_database)
    restore(world.signer_database, backup)

    with pytest.raises(NotImported, match=why):
        reconcile(
            world.signer_database, world.signer.issuers, [spoil(line)], "operator", world.time()
        )
    assert world.signer_row(request) is None


def test_a_certificate_of_another_request_s_key_is_not_imported(world: World) -> None:
    backup = back_up(world.signer_database)
    world.submit("host.test", run=True)
    world.submit(csr=factories.csr(names=["DNS:other.test"], key_kind="ec:P-384"), run=True)
    first, second, _ = (json.loads(line) for line in lines(world.web_database))
    restore(world.signer_database, backup)

    with pytest.raises(NotImported, match="another key"):
        reconcile(
            world.signer_database,
            world.signer.issuers,
            [json.dumps(first | {"certificate": second["certificate"]})],
            "operator",
            world.time(),
        )


def test_a_certificate_of_another_request_is_not_imported(world: World) -> None:
    """Both are for one key, so that the certificate fits either."""
    backup = back_up(world.signer_database)
    octets = factories.csr(names=["DNS:host.test"])
    for _ in range(2):
        world.submit(csr=octets, run=True)
    first, second, _ = (json.loads(line) for line in lines(world.web_database))
    restore(world.signer_database, backup)

    exported = [json.dumps(one) for one in (first, second | {"certificate": first["certificate"]})]
    with pytest.raises(NotImported, match=r"line 2.*that of another request"):
        reconcile(world.signer_database, world.signer.issuers, exported, "operator", world.time())


def test_a_certificate_that_is_larger_than_any_csr_is_imported(make_world: MakeWorld) -> None:
    many = [f"DNS:n{number:03}.{'.'.join(['a' * 61] * 4)}" for number in range(255)]
    octets = factories.csr(names=[*many, f"DNS:{'b' * 63}.{'c' * 63}"])
    assert len(octets) <= MAX_CSR_BYTES
    rules = '[[rules]]\nname = "all"\nprofiles = ["server"]\naction = "sign"\n'
    world = make_world(policy=f"[profiles.server]\nmax_names = 1000\n{rules}")
    backup = back_up(world.signer_database)
    request_id = world.submit(csr=octets, run=True)
    certificate = world.certificate(request_id)
    assert len(certificate) > MAX_CSR_BYTES
    restore(world.signer_database, backup)
    assert learn(world)["certificate imported"] == 1
    assert world.certificate(request_id) == certificate


@pytest.mark.parametrize("make_world", ["postgresql"], indirect=True)
def test_what_a_worker_moves_meanwhile_is_imported_with_its_state(make_world: MakeWorld) -> None:
    world = make_world()
    request_id = world.submit("host.example.com", run=True)
    backup = back_up(world.signer_database)
    accepted = world.decision(request_id, "accept")
    world.deliver(DECIDE, accepted)
    world.run()
    issued = world.certificate(request_id)
    restore(world.signer_database, backup)
    start_signer(world)

    overtake(world.signer_database, lambda: world.deliver(DECIDE, accepted), lambda: learn(world))
    assert world.signer_row(request_id).state == State.ISSUED
    settle(world)
    assert world.states(request_id) == (State.ISSUED, State.ISSUED)
    assert world.certificate(request_id) == issued


@pytest.mark.parametrize("make_world", ["postgresql"], indirect=True)
def test_what_a_worker_admits_meanwhile_is_imported_all_the_same(make_world: MakeWorld) -> None:
    world = make_world()
    backup = back_up(world.signer_database)
    asked: list[bytes] = []

    def listen(queue: str, octets: bytes) -> list[bytes]:
        asked.extend([octets] if queue == POLICY.queue else [])
        return [octets]

    request_id = world.submit("host.test")
    world.run(listen)
    issued = world.certificate(request_id)
    restore(world.signer_database, backup)
    start_signer(world)

    overtake(world.signer_database, lambda: world.deliver(POLICY, asked[0]), lambda: learn(world))
    settle(world)
    assert world.states(request_id) == (State.ISSUED, State.ISSUED)
    assert world.certificate(request_id) == issued
