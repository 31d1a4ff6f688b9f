"""Both sides, all their processes, and the broker between them, in the hands of a simulation.

The real actors, clocks, databases, keys and checks; simulated are deaths, deliveries and time.
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from sqlalchemy import Connection, event

from pipeline.broker.memory import MemoryBroker
from pipeline.crypto.csr import Csr
from pipeline.database.advance import Ledger, Move, advance
from pipeline.database.engine import Database
from pipeline.signer import examine, issuance
from pipeline.signer.policy import Policy, Verdict, judge
from pipeline.stages import Role
from pipeline.states import State
from pipeline.web import submit as web_submit
from tests.simulation.broker import HostileExchange, requests_in
from tests.simulation.chaos import DEATHS, Chaos, Killed
from tests.simulation.faults import Fault
from tests.simulation.runner import Runner
from tests.simulation.seams import before_statement
from tests.simulation.sides import Signer, Web
from tests.simulation.template import APPROVERS, FIRST, template

WAITS = State.WAITING_FOR_SIGNATURE

_UNFINISHED = frozenset(
    {
        *DEATHS,
        Fault.KILLED_IN_BATCH,
        Fault.KILLED_FROZEN,
        Fault.ITEM_KILLS,
        Fault.ANSWER_LOST,
        Fault.STOPPED_WAITING,
        Fault.CLOCK_AHEAD,
        Fault.CLOCK_BEHIND,
    }
)
"""After these, an attempt at signing may be on record that came to no end."""


@dataclass
class Wanted:
    """What a requester wants: ``id`` as soon as the web side has acknowledged it."""

    label: str
    name: str
    key: str
    id: str | None = None


@dataclass
class World:
    """One simulated installation."""

    rng: random.Random
    chaos: Chaos = field(init=False)
    exchange: HostileExchange = field(default_factory=HostileExchange)
    moment: datetime = FIRST + timedelta(days=10)
    running: Runner | None = None
    commits: int = 0
    commits_by_errand: Counter[str] = field(default_factory=Counter)
    broker_out: int = 0
    database_out: Counter[Role] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    spools: dict[str, dict[str, bytes]] = field(default_factory=lambda: {n: {} for n in APPROVERS})
    decided: list[str] = field(default_factory=list)
    signing_troubles: Counter[str] = field(default_factory=Counter)
    examining_troubles: Counter[str] = field(default_factory=Counter)
    mended: bool = False
    policy_number: int = 0
    brokers: dict[str, MemoryBroker] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chaos = Chaos(self.rng)
        self.template = template()
        self.template.begin()
        self.ids = random.Random(self.rng.randrange(2**32))
        web, signer = Web(self), Signer(self)
        self.web, self.web_workers = web.process, web.workers
        self.web_timer, self.web_clock = web.timer, web.clock
        self.signer_workers = signer.workers
        self.signer_timer, self.signer_clock = signer.timer, signer.clock
        self.approvers = [Runner(self, name, Role.SIGNER) for name in APPROVERS]
        self.operator = Runner(self, "operator", Role.SIGNER)
        self.runners = [
            *self.web_workers,
            *self.signer_workers,
            *(self.web, self.web_timer, self.signer_timer),
            *self.approvers,
            self.operator,
        ]
        self._engines = [self.template.web.database.engine, self.template.signer.database.engine]
        for engine in self._engines:
            event.listen(engine, "before_cursor_execute", self._before_statement)
        self._patches: list[Any] = [
            mock.patch.object(web_submit, "request_id", self._new_id),
            mock.patch.object(issuance, "advance", self._advance),
            mock.patch.object(examine, "judge", self._judge),
        ]
        for patch in self._patches:
            patch.start()

    def close(self) -> None:
        """Let go of what simulations share."""
        for patch in self._patches:
            patch.stop()
        for engine in self._engines:
            event.remove(engine, "before_cursor_execute", self._before_statement)
        self.chaos.active = False
        for runner in self.runners:
            if runner.busy:
                runner.resume(doomed=True)
            runner.fiber.close()
        self.web_clock.close()

    # --- how it is made ---------------------------------------------------------------------

    def database_of(self, side: Role) -> Database:
        """Return the database of a side, without faults."""
        of = self.template.web if side is Role.WEB else self.template.signer
        return of.database

    def workers_of(self, side: Role) -> list[Runner]:
        """Return the workers of a side."""
        return self.web_workers if side is Role.WEB else self.signer_workers

    def _new_id(self, now: datetime) -> str:
        milliseconds = int(now.timestamp() * 1000)
        number = milliseconds << 80 | 0x7 << 76 | 0b10 << 62 | self.ids.getrandbits(62)
        return str(uuid.UUID(int=number))

    def _advance(
        self,
        connection: Connection,
        ledger: Ledger,
        maker: str,
        moves: list[Move],
        now: datetime,
        **further: Any,
    ) -> set[str]:
        """Look at what the compare-and-swap of `sign` does."""
        moved = advance(connection, ledger, maker, moves, now, **further)
        if len(moved) < len(moves):
            self.took_effect(Fault.OVERTAKEN, self.running)
        return moved

    def _judge(self, policy: Policy, csr: Csr, *others: Any, **more: Any) -> Verdict:
        """Judge, unless the submission kills who examines it."""
        if any(b"lethal" in name.value.encode() for name in csr.names) and not self.mended:
            self.took_effect(Fault.ITEM_KILLS, self.running)
            raise Killed(Fault.ITEM_KILLS)
        return judge(policy, csr, *others, **more)

    def _before_statement(self, *arguments: Any) -> None:
        statement: str = arguments[2]
        if self.running is not None and not statement.startswith("BEGIN"):
            before_statement(self.running)

    # --- time -------------------------------------------------------------------------------

    def tick(self) -> datetime:
        """Return the true time, a microsecond later than ever before."""
        self.moment += timedelta(microseconds=1)
        self.exchange.moment = self.moment
        return self.moment

    def seconds(self) -> float:
        """Return the true time for measuring durations."""
        return self.moment.timestamp()

    def move(self, span: timedelta) -> None:
        """Let time pass."""
        self.moment += span
        self.exchange.moment = self.moment

    def heal(self) -> None:
        """Let whatever is out come back."""
        self.broker_out = 0
        self.database_out.clear()

    # --- what happens -----------------------------------------------------------------------

    def tell(self, runner: Runner | None, what: str) -> None:
        """Note one step of the story."""
        time = f"{self.moment:%d %H:%M:%S}"
        who = "*" if runner is None else runner.name
        if runner is not None and runner.errand:
            who += f" ({runner.errand})"
        self.story.append(f"{time}  {who}: {what}")

    def took_effect(self, fault: Fault, runner: Runner | None, *, quietly: bool = False) -> None:
        """Count a fault, and tell of it."""
        self.chaos.took_effect(fault)
        if runner is not None and fault in _UNFINISHED:
            self.unfinished(runner)
        if not quietly:
            self.tell(runner, f"FAULT {fault}")

    def unfinished(self, runner: Runner) -> None:
        """Note that an attempt at signing or examining may be on record that came to no end."""
        if runner.errand.startswith(("sign ", "policy ")):  # `policy` goes on to sign
            runner.troubles += 1
        if runner.errand.startswith("policy ") and runner.letter is not None:
            self.examining_troubles.update(requests_in(runner.letter))

    def note_troubles(self, runner: Runner) -> None:
        """Note that what waits for its signature may have lost attempts without its own fault."""
        troubles, runner.troubles = runner.troubles, 0
        if not troubles:
            return
        waiting = self.template.signer.ask("SELECT id FROM requests WHERE state = ?", WAITS)
        for (request_id,) in waiting:
            self.signing_troubles[str(uuid.UUID(request_id))] += troubles

    def wrong(self, problem: str) -> None:
        """Note something that must never be."""
        self.problems.append(problem)
        self.story.append(f"            WRONG: {problem}")

    # --- items that break who works on them ---------------------------------------------------

    def breaks(self, word: bytes, tbs: bytes) -> bool:
        """Say whether an item with this word in its name breaks the program (still)."""
        return word in tbs and not self.mended
