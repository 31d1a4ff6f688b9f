"""The list of what waits: a few lines for each request, at 80 columns."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from pipeline.approve.facts import Facts
from pipeline.approve.harmless import harmless
from pipeline.approve.screen import age

SHOWN_NAMES: Final = 3


def listing(facts: Sequence[Facts], now: datetime) -> RenderableType:
    """Return the list; ids are shown whole, to be copied."""
    return Group(*(part for one in facts for part in _entry(one, now)))


def _subject(facts: Facts) -> str:
    return harmless(facts.certificate.subject) if facts.certificate is not None else "no names"


def _entry(facts: Facts, now: datetime) -> list[RenderableType]:
    request = facts.request
    who = "anonymous" if request.requester is None else f"“{harmless(request.requester)}”"
    names = [] if facts.csr is None else [harmless(name.value) for name in facts.csr.names]
    more = f", … ({len(names)} names)" if len(names) > SHOWN_NAMES else ""
    below = [
        Text(", ".join(names[:SHOWN_NAMES]) + more if names else _subject(facts)),
        Text(f"{harmless(request.profile_name)}, by {who}"),
        *(Text(f"! {harmless(sentence)}", "yellow") for sentence in facts.unusual),
    ]
    first = Text.assemble((request.id, "bold"), f"  {age(request.submitted_at, now)}")
    # Only an id begins at the left, whatever a requester calls themselves.
    return [first, *(Padding(line, (0, 0, 0, 4), expand=False) for line in below)]
