"""Both sides, all their processes, and the broker between them, in the hands of a simulation.

The real actors, clocks, databases, keys and checks; simulated are deaths, deliveries and time.
"""

from __future__ import annotations

import dataclasses
import random
import traceback
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from sqlalchemy import Connection, event

from pipeline.actors.patience import is_infrastructure
from pipeline.actors.signer import bind_signer
from pipeline.actors.web import bind_web
from pipeline.actors.web.side import WebSide
from pipeline.broker.memory import MemoryBroker
from pipeline.database.advance import Ledger, Move, advance
from pipeline.database.engine import Database
from pipeline.database.refused import audit_refusals
from pipeline.errors import MessageRefused
from pipeline.run.signer_clock import SignerClock
from pipeline.run.web_clock import WebClock
from pipeline.signer import issuance
from pipeline.signer import tables as signer_tables
from pipeline.signer.issuers import Issuers
from pipeline.signer.mark import Mark
from pipeline.signer.policy import Policy
from pipeline.signer.side import SignerSide
from pipeline.stages import STAGES, Role
from pipeline.states import State
from pipeline.web import submit as web_submit
from pipeline.web import tables as web_tables
from tests.simulation.broker import HostileExchange, Letter, requests_in
from tests.simulation.chaos import DEATHS, Chaos, Killed
from tests.simulation.faults import Fault
from tests.simulation.runner import Key, Runner, before_statement, patience
from tests.simulation.template import APPROVERS, FIRST, template

WORKERS = 3
"""Of each side."""
FUTURE = "from-the-future"


WAITS = State.WAITING_FOR_SIGNATURE

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


class NoMark(Mark):
    """Nothing is restored from a backup here."""

    def set(self, request_id: str, serial: str) -> None:
        """Write no file."""


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
    mended: bool = False
    policy_number: int = 0
    last_judged: str = ""
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chaos = Chaos(self.rng)
        self.template = template()
        self.template.begin()
        self.ids = random.Random(self.rng.randrange(2**32))
        self.waiting_days = self.rng.choice((0.06, 30.0, 30.0))
        self._make_web()
        self._make_signer()
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

    def _make_web(self) -> None:
        trust = self.template.web_trust
        self.brokers: dict[str, MemoryBroker] = {}

        def side(runner: Runner) -> WebSide:
            report = audit_refusals(runner.database, web_tables.audit, runner.now)
            broker = self.brokers[runner.name] = runner.connect("web", trust, report)
            send, settings = runner.sends(broker), self.template.web_settings
            return WebSide(runner.database, send, settings, runner.now, lambda: None)

        self.web = Runner(self, "web", Role.WEB)
        self.web_workers = [
            Runner(self, f"web-worker-{number}", Role.WEB, works=True)
            for number in range(1, WORKERS + 1)
        ]
        for runner in self.web_workers:
            made = side(runner)
            bind_web(self.brokers[runner.name], made, patience(runner))
        self.web_timer = Runner(self, "web-clock", Role.WEB)
        self.web_clock = WebClock(side(self.web_timer))

    def _make_signer(self) -> None:
        shared = self.template
        settings = msgspec.structs.replace(shared.signer_settings, waiting_days=self.waiting_days)

        def side(runner: Runner) -> SignerSide:
            report = audit_refusals(runner.database, signer_tables.audit, runner.now)
            broker = runner.connect("signer", shared.signer_trust, report)
            self.brokers[runner.name] = broker
            assert shared.issuer.key is not None
            key = Key(runner, shared.issuer.key)
            return SignerSide(
                database=runner.database,
                send=runner.sends(broker),
                settings=settings,
                now=runner.now,
                random=runner.random,
                policy=partial(self._policy, runner),
                issuers=Issuers([dataclasses.replace(shared.issuer, key=key)]),
                mark=NoMark(Path()),
            )

        self.signer_workers = [
            Runner(self, f"signer-worker-{number}", Role.SIGNER, works=True)
            for number in range(1, WORKERS + 1)
        ]
        for runner in self.signer_workers:
            made = side(runner)
            bind_signer(self.brokers[runner.name], made, patience(runner))
        self.signer_timer = Runner(self, "signer-clock", Role.SIGNER)
        self.signer_clock = SignerClock(side(self.signer_timer))

    def _policy(self, runner: Runner) -> Policy:
        policy = self.template.policies[runner.policy_number]
        if self.last_judged not in ("", policy.digest):
            self.took_effect(Fault.POLICY_CHANGED, runner)
        if len({worker.policy_number for worker in self.signer_workers}) > 1:
            self.took_effect(Fault.POLICIES_DIFFER, runner, quietly=True)
        self.last_judged = policy.digest
        return policy

    def _new_id(self, now: datetime) -> str:
        milliseconds = int(now.timestamp() * 1000)
        number = milliseconds << 80 | 0x7 << 76 | 0b10 << 62 | self.ids.getrandbits(62)
        return str(uuid.UUID(int=number))

    def _advance(
        self, connection: Connection, ledger: Ledger, maker: str, moves: list[Move], now: datetime
    ) -> set[str]:
        """Look at what the compare-and-swap of `sign` does."""
        moved = advance(connection, ledger, maker, moves, now)
        if len(moved) < len(moves):
            self.took_effect(Fault.OVERTAKEN, self.running)
        return moved

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
        if runner is not None and runner.errand.startswith("sign ") and fault in _UNFINISHED:
            runner.troubles += 1
        if not quietly:
            self.tell(runner, f"FAULT {fault}")

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

    def deliver(self, runner: Runner, queue: str, letter: Letter) -> None:
        """Let a worker work on a message that it read from a queue."""

        def work() -> None:
            broker, came = self.brokers[runner.name], letter.came
            letter.came += 1
            try:
                message = broker.gate.admit(letter.octets, queue, redelivered=letter.redelivered)
            except MessageRefused as refused:
                self._refused(runner, queue, letter, refused.reason)
                return
            if queue != letter.queue:
                self.wrong(f"#{letter.number} for {letter.queue} was admitted on {queue}")
            if came:
                self.took_effect(_again(letter), runner)
            broker.actors[message.actor_name].fn(*message.args)

        about = ",".join(self.labels.get(one, f"?{one[-4:]}") for one in requests_in(letter))
        stage = STAGES[queue].name
        runner.start(f"{stage} #{letter.number}{' ' + about if about else ''}", work, letter)

    def _refused(self, runner: Runner, queue: str, letter: Letter, reason: str) -> None:
        self.tell(runner, f"is refused: {reason}")
        if queue != letter.queue:
            self.took_effect(Fault.MISROUTED, runner)
        elif reason == FUTURE:
            self.took_effect(Fault.FROM_THE_FUTURE, runner)
        else:
            self.wrong(f"#{letter.number} was refused on {queue}: {reason}")

    def ended(self, runner: Runner) -> None:
        """Look at what ended an errand."""
        self._look_at_end(runner)
        self.note_troubles(runner)
        runner.errand = ""

    def _look_at_end(self, runner: Runner) -> None:
        error = runner.fiber.error
        if runner.errand.startswith("sign ") and runner.works:
            self._look_whether_suspended(runner)
        if error is None:
            if runner.commits and runner.offset:
                ahead = runner.offset > timedelta(0)
                self.took_effect(Fault.CLOCK_AHEAD if ahead else Fault.CLOCK_BEHIND, runner)
            return
        if isinstance(error, Killed):
            self.tell(runner, "is dead")
            letter = runner.letter
            if letter is not None and self.chaos.likely(Fault.REDELIVERED):
                letter.redelivered = True
                self.exchange.lying[letter.queue].insert(0, letter)
        elif not runner.works and is_infrastructure(error):
            self.tell(runner, f"gives up: {type(error).__name__}")
        else:
            trace = "".join(traceback.format_exception(error))
            self.wrong(f"{runner.name} ({runner.errand}) ended by an unexpected error\n{trace}")

    def _look_whether_suspended(self, runner: Runner) -> None:
        waiting = "SELECT 1 FROM requests WHERE state = ? AND next_attempt_at <= ?"
        now = self.moment.replace(tzinfo=None).isoformat(" ")
        suspended = self.template.signer.ask('SELECT 1 FROM switches WHERE "on"')
        if suspended and self.template.signer.ask(waiting, WAITS, now):
            self.took_effect(Fault.SUSPENDED, runner)

    # --- items that break who works on them ---------------------------------------------------

    def breaks(self, word: bytes, tbs: bytes) -> bool:
        """Say whether an item with this word in its name breaks the program (still)."""
        return word in tbs and not self.mended

    def is_signed(self, tbs: bytes) -> None:
        """Check at the moment of signing that exactly this TBS is committed, and still wanted."""
        found = self.template.signer.ask(_SIGNED, tbs)
        if not found:
            self.wrong("the CA key was asked to sign a TBS that is not committed")
        for state, failed in found:
            if state not in (WAITS, State.ISSUED, State.FAILED) and not failed:
                self.wrong(f"the CA key was asked to sign for a request that is {state}")

    def look_at(self, side: Role) -> None:
        """Check after every commit what must hold at any time, not only in the end."""
        of = self.template.web if side is Role.WEB else self.template.signer
        ((issued, certificates, changes, entries),) = of.ask(_AT_ANY_TIME)
        if issued != certificates:
            self.wrong(f"{side}: {issued} requests are issued, {certificates} certificates stored")
        if changes != entries:
            self.wrong(f"{side}: {changes} changes are committed, {entries} are in the audit")


def _again(letter: Letter) -> Fault:
    if letter.replayed:
        return Fault.REPLAYED
    return Fault.REDELIVERED if letter.redelivered else Fault.DUPLICATED
