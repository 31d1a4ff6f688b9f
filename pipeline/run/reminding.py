"""Reminding approvers: the clock's errand between the database and the operator's hook."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog

from pipeline.database.engine import AnyRow
from pipeline.signer import reminders
from pipeline.signer.hook import HookFailed, post, run_command
from pipeline.signer.side import SignerSide

log = structlog.get_logger(__name__)

AT_ONCE: Final = 100
"""Of how many requests a hook is told at once."""


def remind(side: SignerSide) -> None:
    """Tell the hook, if there is one, of all that is due.

    One that fails is logged, and has its next chance after each request's own time.
    """
    hooks = side.settings.reminders
    if not hooks.command and not hooks.webhook:
        return
    now = side.now()  # what comes up again while slow hooks run is for the next time
    while rows := reminders.take_due(side.database, now, AT_ONCE):
        told = reminders.told(rows)
        if hooks.command:
            _run(partial(run_command, hooks.command, told, hooks.timeout), rows)
        if hooks.webhook:
            _run(partial(post, hooks.webhook, told, hooks.timeout), rows)


def _run(hook: Callable[[], None], rows: Sequence[AnyRow]) -> None:
    ids = [row.id for row in rows]
    try:
        hook()
    except HookFailed as error:
        log.error("reminder-failed", why=str(error), request_ids=ids)
    else:
        log.info("reminded", request_ids=ids)
