"""The documents name what there is: links, files, settings, events of the log and of the audit."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from settings.approver import ApproverSettings
from settings.load import DIRECTORY, Settings
from settings.owner import OwnerSettings
from settings.signer import SignerSettings
from settings.web import WebSettings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
INSTALL, OPERATE = (ROOT / "docs" / name for name in ("install.md", "operate.md"))

LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
AUDITORS = {"record", "entry"}
"""The functions that write an entry of the audit; their second or third argument is the event."""

EXAMPLES = {"tests/X", "tests/recorded/vN", "pipeline/actors/signer/revoke.py"}
"""Paths that stand for others, or for what a reader is to make."""


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(file: Path) -> set[str]:
    """Return what one can link to in a document, as GitHub names it."""
    headings = re.findall(r"^#+ (.*)$", without_code(file.read_text("utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_and_paths_lead_somewhere(file: Path) -> None:
    text = without_code(file.read_text("utf-8"))
    for target in re.findall(r"\]\(([^):]+)\)", text):
        path, _, anchor = target.partition("#")
        there = (file.parent / path).resolve() if path else file
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target
    named = set(re.findall(r"`((?:tests|tools|pipeline|settings|packaging|docs)/[\w./-]+)`", text))
    named = {path for path in named - EXAMPLES if "SIDE" not in path}
    assert [path for path in named if not (ROOT / path).exists()] == []


def calls() -> Iterator[tuple[str, ast.Call]]:
    for file in (ROOT / "pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
                yield str(name), node


def texts(node: ast.AST) -> set[str]:
    found = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
    return {one for one in found if isinstance(one, str)}


def test_every_event_of_the_log_is_explained_with_its_level() -> None:
    logged: dict[str, set[str]] = defaultdict(set)
    for name, call in calls():
        if name in LEVELS and call.args:
            for event in texts(call.args[0]):
                logged[event].add("error" if name == "exception" else name)
    told: dict[str, set[str]] = {}
    section = OPERATE.read_text("utf-8").partition("## Logs")[2].partition("## Audit")[0]
    for line in section.splitlines():
        if line.startswith("| `"):
            events, levels = line.split(" | ")[:2]
            names, each = re.findall("`([^`]+)`", events), levels.split(", ")
            told |= {
                name: {each[place] if len(each) > 1 else each[0]}
                for place, name in enumerate(names)
            }
    assert told == logged


def test_every_event_of_the_audit_is_named() -> None:
    written: set[str] = set()
    for name, call in calls():
        if name in AUDITORS:
            events = [one for one in call.args[1:3] if isinstance(one, ast.Constant)]
            written |= {str(event.value) for event in events}
    text = OPERATE.read_text("utf-8").partition("transaction. Events: ")[2].partition("```")[0]
    told = set(re.findall("`([a-z-]+)`", text))
    assert written - told == set()


def keys(kind: type[Settings], before: str = "") -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, Settings):
            yield from keys(field.type, f"{before}{field.encode_name}.")
        elif field.name != DIRECTORY:
            yield before + field.encode_name


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("web/settings.toml", WebSettings),
        ("signer/settings.toml", SignerSettings),
        ("approvers/NAME/settings.toml", ApproverSettings),
        ("owner/SIDE/settings.toml", OwnerSettings),
    ],
)
def test_every_setting_is_in_the_table(file: str, kind: type[Settings]) -> None:
    table = INSTALL.read_text("utf-8").partition(f"| **`{file}`** |")[2].split("| **`")[0]
    told = [
        key
        for line in table.splitlines()
        if line.startswith("| `")
        for key in re.findall("`([^`]+)`", line.split(" | ")[0])
    ]
    assert sorted(told) == sorted(keys(kind))
