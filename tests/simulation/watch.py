"""What is looked at all the time, and not only in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.stages import Role
from pipeline.states import State
from tests.simulation.faults import Fault

if TYPE_CHECKING:
    from tests.simulation.runner import Runner
    from tests.simulation.world import World

_SIGNED = """
SELECT r.state, (SELECT count(*) FROM seen_states s WHERE s.id = r.id AND s.target = 'failed')
FROM tbs t JOIN requests r ON r.id = t.request_id WHERE t.octets = ?
"""
_AT_ANY_TIME = """
SELECT (SELECT count(*) FROM requests WHERE state = 'issued'),
       (SELECT count(*) FROM certificates),
       (SELECT count(*) FROM seen_states),
       (SELECT count(*) FROM audit WHERE event = 'state-changed')
"""


def after_commit(world: World, side: Role) -> None:
    """Check what must hold after every commit."""
    of = world.template.web if side is Role.WEB else world.template.signer
    ((issued, certificates, changes, entries),) = of.ask(_AT_ANY_TIME)
    if issued != certificates:
        world.wrong(f"{side}: {issued} requests are issued, {certificates} certificates stored")
    if changes != entries:
        world.wrong(f"{side}: {changes} changes are committed, {entries} are in the audit")


def at_the_key(world: World, runner: Runner, tbs: bytes) -> None:
    """Check that exactly this TBS is committed, and still wanted, when the CA key is to sign it."""
    if runner.transactions:
        world.wrong("the CA key is used with a transaction open")
        return
    found = world.template.signer.ask(_SIGNED, tbs)
    if not found:
        world.wrong("the CA key was asked to sign a TBS that is not committed")
    for state, failed in found:
        wanted = (State.WAITING_FOR_SIGNATURE, State.ISSUED, State.FAILED)
        if state not in wanted and not failed:
            world.wrong(f"the CA key was asked to sign for a request that is {state}")


def after_signing(world: World, runner: Runner) -> None:
    """Count it when signing was suspended and something waited for it."""
    waiting = "SELECT 1 FROM requests WHERE state = ? AND next_attempt_at <= ?"
    now = world.moment.replace(tzinfo=None).isoformat(" ")
    suspended = world.template.signer.ask('SELECT 1 FROM switches WHERE "on"')
    if suspended and world.template.signer.ask(waiting, State.WAITING_FOR_SIGNATURE, now):
        world.took_effect(Fault.SUSPENDED, runner)
