"""Decide on many requests: each is shown, or listed, and each decision is a signature of its own."""

from collections.abc import Sequence
from functools import partial

import click
from rich.text import Text

from pipeline.approve import as_json, matching, waiting
from pipeline.approve.decision import Verdict, check_reason
from pipeline.approve.desk import Desk
from pipeline.approve.edge import console
from pipeline.approve.facts import Facts
from pipeline.approve.find import find
from pipeline.approve.harmless import harmless
from pipeline.approve.listing import listing
from pipeline.approve.outcome import Answer, Result, exit_code
from pipeline.approve.screen import screen
from pipeline.approve.spool import Spooled
from pipeline.errors import HttpcaError

MOST_LOOKED_AT = 10_000
"""How many of the oldest requests that wait are looked at for those that match."""


def named(
    desk: Desk, ids: Sequence[str], verdict: Verdict, digest: str | None, quiet: bool
) -> list[Facts]:
    """Return the requests of these ids, each shown whole unless ``quiet``.

    Raises:
        HttpcaError: there is none of an id, or it has another digest.
    """
    requests = {request.id: request for request in (find(desk.database, id_) for id_ in ids)}
    found = desk.look_at_all(list(requests.values()))
    for facts in found:
        if digest is not None and digest.lower() != facts.digest:
            raise HttpcaError(f"Request {facts.request.id} has another digest. Nothing was sent.")
        if not quiet:
            console().print(screen(facts, desk.me, desk.clock(), f"To {verdict}"))
    return found


def matched(
    desk: Desk, texts: Sequence[str], verdict: Verdict, limit: int, sure: bool, quiet: bool
) -> list[Facts]:
    """Return what waits, matches all of ``texts`` and is this approver's to decide on; listed, and
    confirmed once by the approver unless they are ``sure``.

    Raises:
        MatchingRefused: a text says nothing.
        click.Abort: the approver thought better of it.
    """
    conditions = matching.read(texts)
    found = []
    for request in waiting.oldest(desk.database, MOST_LOOKED_AT):
        facts = desk.glance(request)
        mine = not facts.not_mine and desk.me not in (d.approver for d in facts.counted)
        if mine and all(condition.holds(facts) for condition in conditions):
            found.append(facts)
            if len(found) == limit:
                break
    found = desk.look_at_all([facts.request for facts in found])
    if not quiet:
        out = console()
        shown = listing(found, desk.clock(), to_decide_on=True)
        out.print(shown if found else "Nothing that waits matches.")
    if found and not sure:
        noun = "this request" if len(found) == 1 else f"these {len(found)} requests"
        click.confirm(f"{verdict.capitalize()} {noun}?", abort=True)
    return found


def decide_on(
    desk: Desk,
    shown: Sequence[Facts],
    verdict: Verdict,
    reason: str,
    timeout: float,
    json_: bool,
    *,
    asked: bool = False,
) -> int:
    """Sign a decision of its own for each of what was shown, send them all, wait, and say what became
    of each; return the exit code.

    ``asked``: the approver made up their mind on what was shown, and not before it.
    """
    check_reason(verdict, reason)
    decide = desk.decide if asked else partial(_decide, desk, quiet=json_)
    made = [decide(facts, verdict, reason) for facts in shown]
    sent = [one for one in made if isinstance(one, Spooled)]
    confirmed = iter(desk.confirm(sent, timeout))
    answers = [one if isinstance(one, Answer) else next(confirmed) for one in made]
    if json_:
        click.echo(as_json.text({"results": [as_json.answer(answer) for answer in answers]}))
    else:
        for answer in answers:
            console().print(Text(f"{answer.request_id}: {harmless(answer.sentence, 4000)}"))
    return exit_code(answers)


def _decide(
    desk: Desk, facts: Facts, verdict: Verdict, reason: str, quiet: bool
) -> Spooled | Answer:
    """Decide, also when a colleague has said something since, which is told before it is sent: the
    approver knew what they wanted before they could see either."""
    made = desk.decide(facts, verdict, reason)
    while isinstance(made, Answer) and made.result is Result.SAID_MEANWHILE and made.request:
        if not quiet:
            console().print(Text(f"{made.request_id}: {harmless(made.sentence, 4000)}"))
        made = desk.decide(desk.look(made.request), verdict, reason)
    return made
