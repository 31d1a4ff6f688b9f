"""What came before a request, as an approver sees it: of its requester, its key and its names."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.approve import standing
from pipeline.approve.harmless import harmless
from pipeline.approve.past import Earlier, History
from pipeline.approve.screen import name_text

INDENT = "  "


def view(history: History) -> RenderableType:
    """Return the history; ids are shown whole, to be looked at by `show`."""
    parts: list[RenderableType] = []
    if history.since is not None:
        since = f" (first on {standing.at(history.since)})"
        parts.append(Text(f"Other requests of this requester, the newest{since}", "bold"))
    else:
        parts.append(Text("No other request of a known requester", "bold"))
    parts += _list(history.of_requester)
    parts.append(Text("Other requests with this key", "bold"))
    parts += _list(history.of_key)
    parts.append(Text("Certificates for its names, the newest", "bold"))
    for name, certificates in history.of_names:
        parts.append(name_text(name))
        parts += _list(certificates, "never issued")
    return Group(*parts)


def _list(found: Sequence[Earlier], none: str = "none") -> Iterator[Text]:
    if not found:
        yield Text(f"{INDENT}{none}")
    for one in found:
        who = "anonymous" if one.requester is None else f"“{harmless(one.requester, 60)}”"
        state = one.state.value.replace("_", " ")
        yield Text(f"{INDENT}{one.id}  {standing.at(one.submitted_at)}")
        yield Text(f"{INDENT * 2}{state}, {harmless(one.profile_name, 40)}, by {who}")
