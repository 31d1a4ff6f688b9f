"""An approver who decides on all that waits, with the code of `httpca approve`, in this process.

What their rules call ``declined`` they reject, what they call ``approved`` they accept, and the
rest they leave alone. Servers may be away: then they try again, as a person would.
"""

import threading
from collections import Counter
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError

from pipeline.approve import waiting
from pipeline.approve.decision import Verdict
from pipeline.approve.desk import Desk, open_desk
from pipeline.approve.outcome import Result
from pipeline.approve.spool import Spooled
from pipeline.approve.waiting import Request
from pipeline.crypto import csr as csrs
from settings.approver import load_approver
from tests.chaos.load import KINDS

AT_ONCE: Final = 100
"""How many decisions lie in the spool at a time."""

PATIENCE: Final = 4.0
"""Seconds that a batch of decisions is waited for; what is not confirmed then is sent again."""

PAUSE: Final = 0.3

VERDICTS: Final[dict[str, tuple[Verdict, str]]] = {
    KINDS["approved"].name: ("accept", ""),
    KINDS["declined"].name: ("reject", "This host is not ours."),
}


class Approver:
    """Decides until stopped."""

    def __init__(self, folder: Path) -> None:
        self.results: Counter[str] = Counter()
        self._folder = folder
        self._position: waiting.Position | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="approver", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        desk = open_desk(load_approver(self._folder))
        try:
            while not self._stopping.wait(PAUSE):
                try:
                    self._round(desk)
                except DBAPIError as error:
                    self.results[type(error).__name__] += 1
        finally:
            desk.close()

    def _round(self, desk: Desk) -> None:
        """Decide on some of what waits; at the end of the list begin anew."""
        desk.flush(PATIENCE)
        made: list[Spooled] = []
        while len(made) < AT_ONCE and not self._stopping.is_set():
            request = waiting.next_after(desk.database, self._position)
            if request is None:
                self._position = None
                break
            self._position = (request.created_at, request.id)
            wanted = _verdict(request)
            if wanted is None:
                continue
            decided = desk.decide(desk.look(request), *wanted)
            if isinstance(decided, Spooled):
                made.append(decided)
        for answer in desk.confirm(made, PATIENCE) if made else []:
            self.results[answer.result] += 1
            if answer.result is Result.CHANGED:
                self._position = None


def _verdict(request: Request) -> tuple[Verdict, str] | None:
    (name,) = csrs.read(request.csr).names
    return VERDICTS.get(name.value.partition(".")[2])
