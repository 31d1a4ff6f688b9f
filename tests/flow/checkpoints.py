"""Checkpoints of the audit: made, delivered, and what the web side was told."""

from typing import Any

from sqlalchemy import select

from pipeline.crypto.checkpoint import Signed
from pipeline.signer.audit.kept import LATEST
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
