"""Make the processes of both sides from the real actors and clocks, with a seam at every exit."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pipeline.actors.signer import bind_signer
from pipeline.actors.web import bind_web
from pipeline.actors.web.side import WebSide
from pipeline.database.refused import audit_refusals
from pipeline.run.signer_clock import SignerClock
from pipeline.run.web_clock import WebClock
from pipeline.signer import tables as signer_tables
from pipeline.signer.issuers import Issuers
from pipeline.signer.mark import Mark
from pipeline.signer.policy import Policy
from pipeline.signer.side import SignerSide
from pipeline.stages import Role
from pipeline.web import tables as web_tables
from tests.simulation.faults import Fault
from tests.simulation.runner import Runner
from tests.simulation.seams import Key, patience

if TYPE_CHECKING:
    from tests.simulation.world import World

WORKERS = 3
"""Of each side."""


class NoMark(Mark):
    """Nothing is restored from a backup here."""

    def set(self, request_id: str, serial: str) -> None:
        """Write no file."""


class Web:
    """The web side: process `web`, workers, clock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.process = Runner(world, "web", Role.WEB)
        self.workers = _workers(world, "web-worker", Role.WEB)
        for runner in self.workers:
            made = self._side(runner)
            bind_web(world.brokers[runner.name], made, patience(runner))
        self.timer = Runner(world, "web-clock", Role.WEB)
        self.clock = WebClock(self._side(self.timer))

    def _side(self, runner: Runner) -> WebSide:
        shared = self.world.template
        report = audit_refusals(runner.database, web_tables.audit, runner.now)
        broker = runner.connect("web", shared.web_trust, report)
        self.world.brokers[runner.name] = broker
        send = runner.sends(broker)
        return WebSide(runner.database, send, shared.web_settings, runner.now, lambda: None)


class Signer:
    """The signer side: workers, clock."""

    def __init__(self, world: World) -> None:
        self.world = world
        # Some signers have little patience with approvers.
        days = world.rng.choice((0.06, 30.0, 30.0))
        self.settings = msgspec.structs.replace(world.template.signer_settings, waiting_days=days)
        self.workers = _workers(world, "signer-worker", Role.SIGNER)
        for runner in self.workers:
            made = self._side(runner)
            bind_signer(world.brokers[runner.name], made, patience(runner))
        self.timer = Runner(world, "signer-clock", Role.SIGNER)
        self.clock = SignerClock(self._side(self.timer))
        self._last_judged = ""

    def _side(self, runner: Runner) -> SignerSide:
        shared = self.world.template
        report = audit_refusals(runner.database, signer_tables.audit, runner.now)
        broker = runner.connect("signer", shared.signer_trust, report)
        self.world.brokers[runner.name] = broker
        assert shared.issuer.key is not None
        key = Key(runner, shared.issuer.key)
        side = SignerSide(
            database=runner.database,
            send=runner.sends(broker),
            settings=self.settings,
            now=runner.now,
            random=runner.random,
            policy=partial(self._policy, runner),
            issuers=Issuers([dataclasses.replace(shared.issuer, key=key)]),
            mark=NoMark(Path()),
            trust=shared.signer_trust,
        )
        runner.forget = side.begun.clear
        return side

    def _policy(self, runner: Runner) -> Policy:
        policy = self.world.template.policies[runner.policy_number]
        if self._last_judged not in ("", policy.digest):
            self.world.took_effect(Fault.POLICY_CHANGED, runner)
        if len({worker.policy_number for worker in self.workers}) > 1:
            self.world.took_effect(Fault.POLICIES_DIFFER, runner, quietly=True)
        self._last_judged = policy.digest
        return policy


def _workers(world: World, name: str, side: Role) -> list[Runner]:
    return [Runner(world, f"{name}-{number}", side, works=True) for number in range(1, WORKERS + 1)]
