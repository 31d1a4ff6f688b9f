"""What an approver sees of a request, as a terminal shows it."""

import io
from datetime import timedelta

from rich.console import Console, RenderableType

from pipeline.approve import facts, waiting
from pipeline.approve.facts import Facts
from pipeline.approve.screen import screen
from tests.unit.approve.asked import NOON
from tests.unit.approve.world import World

LATER = NOON + timedelta(hours=2)


def show(renderable: RenderableType, *, width: int = 80, colour: bool = False) -> str:
    """Render as on a terminal of that width; markup is left on, so that a test would see it."""
    file = io.StringIO()
    Console(
        file=file,
        width=width,
        force_terminal=colour,
        color_system="truecolor" if colour else None,
    ).print(renderable)
    return file.getvalue()


def gathered(world: World, request_id: str) -> Facts:
    request = waiting.get(world.database, request_id)
    assert request is not None
    return facts.gather(request, "approver", LATER)


def shown(world: World, request_id: str, *, width: int = 80, colour: bool = False) -> str:
    return show(screen(gathered(world, request_id), "approver", LATER), width=width, colour=colour)
