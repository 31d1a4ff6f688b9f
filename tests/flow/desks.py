"""Approvers' desks in a world: what they send arrives at once."""

from pathlib import Path

from pipeline.approve import waiting
from pipeline.approve.carrier import Carrier
from pipeline.approve.desk import Desk
from pipeline.approve.spool import Spool
from pipeline.database.engine import Database
from pipeline.stages import STAGES
from settings.approver import load_approver
from tests.flow.world import World


class Delivery:
    """Publishes to a world's signer."""

    def __init__(self, world: World) -> None:
        self.world = world

    def publish(self, queue: str, octets: bytes) -> None:
        self.world.deliver(STAGES[queue], octets)

    def close(self) -> None:
        """Nothing is open."""


def open_as_approver(world: World) -> Database:
    """Open the signer's database as approvers do."""
    return waiting.open_signer(
        world.signer_database.engine.url.render_as_string(hide_password=False)
    )


def open_desk(world: World, database: Database, name: str) -> Desk:
    """Open the desk of an approver."""
    folder = world.directory / "approvers" / name
    carrier = Carrier(lambda: Delivery(world))
    spool = Spool(Path(folder) / "spool")
    return Desk(load_approver(folder), database, spool, carrier, world.time)
