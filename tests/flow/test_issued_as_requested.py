"""What was signed is compared with what was asked for before it counts."""

from typing import Any

import pytest

from pipeline.signer import authority
from tests import factories
from tests.flow.world import World


def test_a_certificate_that_differs_from_its_request_is_never_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = world.submit("good.test"), world.submit("bad.test")
    prepare = authority.prepare

    def mixes_up(csr: Any, *others: Any) -> authority.Prepared:
        wrong = any(name.value == "bad.test" for name in csr.names)
        return prepare(factories.read_csr("DNS:other.test") if wrong else csr, *others)

    monkeypatch.setattr(authority, "prepare", mixes_up)
    world.run()
    for _ in range(5):
        world.time.move(minutes=5)
        world.sweep()

    assert world.states(good) == ("issued", "issued")
    assert world.states(bad) == ("failed", "failed")
    assert "other names than the CSR" in world.web_row(bad).reason
    assert not world.snapshot()["web.certificates"][1:]
