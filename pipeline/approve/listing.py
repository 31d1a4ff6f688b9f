"""The list of what waits: a few lines for each request, at 80 columns."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.table import Table
from rich.text import Text

from pipeline.approve.facts import Facts
from pipeline.approve.harmless import harmless
from pipeline.approve.screen import age

SHOWN_NAMES: Final = 2


def listing(facts: Sequence[Facts], now: datetime) -> Table:
    """Return the list; ids are shown whole, to be copied."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in facts:
        table.add_row(Text(one.request.id, "bold"), _summary(one, now))
    return table


def _summary(facts: Facts, now: datetime) -> Text:
    request = facts.request
    names = [] if facts.csr is None else [harmless(n.display()) for n in facts.csr.names]
    more = f", … ({len(names)} names)" if len(names) > SHOWN_NAMES else ""
    who = "anonymous" if request.requester is None else f"“{harmless(request.requester, 60)}”"
    text = Text(", ".join(names[:SHOWN_NAMES]) + more if names else "no names")
    text.append(f"\n{harmless(request.profile_name, 40)}, {who}")
    text.append(f", {age(request.submitted_at, now)}")
    for sentence in facts.unusual:
        text.append(f"\n! {harmless(sentence)}", "yellow")
    return text
