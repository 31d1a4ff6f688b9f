"""Checkpoints of the audit: made, delivered, and what the web side was told."""

from typing import Any

from sqlalchemy import select

from pipeline.crypto.checkpoint import Signed
from pipeline.database.advance import record
from pipeline.signer.audit.kept import LATEST
from pipeline.signer.tables import audit
from pipeline.web.tables import audit_checkpoints
from tests.flow.world import World


def told(world: World) -> list[Any]:
    with world.web_database.read() as connection:
        return list(connection.execute(select(audit_checkpoints).order_by(audit_checkpoints.c.id)))


def issue(world: World, name: str) -> str:
    request = world.submit(name, run=True)
    world.run()
    assert world.states(request) == ("issued", "issued")
    return request


def checkpoint_and_deliver(world: World) -> Signed:
    world.signer_clock.checkpoint()
    world.run()
    latest = world.signer_clock.keeper.kept.read(LATEST)
    assert latest is not None
    return latest


def next_head(world: World, *, deliver: bool = True) -> int:
    """Sign a head that is a good deal larger than the last one, and tell it; return its size."""
    with world.signer_database.write() as connection:
        for _ in range(20):
            record(connection, audit, "policy-loaded", {}, world.signer.now())
    world.signer_clock.checkpoint()
    if deliver:
        world.run()
    latest = world.signer_clock.keeper.kept.read(LATEST)
    assert latest is not None
    return latest.size
