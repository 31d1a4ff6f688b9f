"""The list of what waits: a few lines for each request, at 80 columns.

Where it is to be decided on, it has as many as it takes to show all names, the subject, the uses and
the validity that would be signed.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from pipeline.approve.facts import Facts
from pipeline.approve.harmless import harmless, whole
from pipeline.approve.screen import age, name_text, usages_text, validity_text

SHOWN_NAMES: Final = 3


def listing(facts: Sequence[Facts], now: datetime, *, to_decide_on: bool = False) -> RenderableType:
    """Return the list; ids are shown whole, to be copied. ``to_decide_on``: with all names, subject,
    uses and validity, since they will be signed."""
    return Group(*(part for one in facts for part in _entry(one, now, to_decide_on)))


def _what(facts: Facts) -> Text:
    """Return in one line what it is about."""
    names = [] if facts.csr is None else [harmless(name.value) for name in facts.csr.names]
    more = f", … ({len(names)} names)" if len(names) > SHOWN_NAMES else ""
    if names:
        return Text(", ".join(names[:SHOWN_NAMES]) + more)
    return Text("no names" if facts.certificate is None else harmless(facts.certificate.subject))


def _whole(facts: Facts) -> Iterator[Text]:
    """Yield all names, the subject, and what the certificate is good for."""
    if facts.csr is not None and facts.csr.names:
        yield Text(", ").join(name_text(name) for name in facts.csr.names)
    if facts.unacceptable:
        yield Text(f"It cannot be accepted. {whole(facts.unacceptable)}", "yellow")
    if facts.certificate is None:
        return
    yield Text(f"subject: {whole(facts.certificate.subject) or 'empty'}")
    yield Text(f"{usages_text(facts.certificate)}; {validity_text(facts.certificate)}")
    yield from (Text(whole(sentence), "bold") for _, sentence in facts.certificate.powers)


def _entry(facts: Facts, now: datetime, to_decide_on: bool) -> list[RenderableType]:
    request = facts.request
    who = "anonymous" if request.requester is None else f"“{harmless(request.requester)}”"
    below = [
        *(_whole(facts) if to_decide_on else [_what(facts)]),
        Text(f"{harmless(request.profile_name)}, by {who}"),
        *(Text(f"! {harmless(sentence)}", "yellow") for sentence in facts.unusual),
    ]
    first = Text.assemble((request.id, "bold"), f"  {age(request.submitted_at, now)}")
    # Only an id begins at the left, whatever a requester calls themselves.
    return [first, *(Padding(line, (0, 0, 0, 4), expand=False) for line in below)]
