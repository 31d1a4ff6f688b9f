"""How `httpca requests` writes requests, for machines and for people.

What requesters wrote is shown so that it cannot steer a terminal.
"""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pipeline.crypto import csr as csrs
from pipeline.crypto.visible import visible
from pipeline.database.engine import AnyRow
from pipeline.errors import RequesterError

_BARE: Final = frozenset({"token"})
"""What is kept as evidence and is of no use on a screen."""


def summary(row: AnyRow) -> dict[str, Any]:
    """Return a request of a list, as JSON has it."""
    return {
        "id": row.id,
        "state": row.state,
        "revision": row.revision,
        "reason": row.reason,
        "attempts": row.attempts,
        "created_at": row.created_at,
        "changed_at": row.changed_at,
        "profile": row.profile_name,
        "requester": row.requester,
        "source": row.source,
    }


def as_table(rows: Sequence[AnyRow], counts: Mapping[str, int]) -> str:
    """Return a list of requests, and how many there are in each state."""
    lines = [
        f"{row.id}  {row.state:<21}  {_time(row.created_at)}  "
        f"{visible(row.profile_name or '', 20):<8}  {visible(row.requester or 'anonymous', 40)}"
        + (f"  {visible(row.reason, 120)}" if row.reason else "")
        for row in rows
    ]
    total = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    lines.append(f"All requests: {total}." if total else "There is no request.")
    return "\n".join(lines)


def decisions_as_table(rows: Sequence[AnyRow], approver: str) -> str:
    """Return an approver's decisions, one in a line, and how many there are of each effect."""
    lines = [
        f"{_time(row.received_at)}  {row.request_id}  {visible(row.verdict, 8):<6}  {row.effect:<15}"
        f"  {row.state or 'unknown'}" + (f"  {visible(row.reason, 120)}" if row.reason else "")
        for row in rows
    ]
    counts = Counter(row.effect for row in rows)
    total = ", ".join(f"{count} {effect}" for effect, count in sorted(counts.items()))
    who = visible(approver, 63)
    lines.append(f"All decisions of {who}: {total}." if rows else f"{who} has decided nothing.")
    return "\n".join(lines)


def whole(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request with all that belongs to it, as JSON has it: octets as base64."""
    plain = {
        part: [_fields(row) for row in rows] if isinstance(rows, list) else rows and _fields(rows)
        for part, rows in found.items()
    }
    submission = found["submission"]
    return plain | {"names": _names(submission["csr"]) if submission else []}


def as_page(found: Mapping[str, Any]) -> str:
    """Return a request (as ``whole`` gives it) for people."""
    request, submission = found["request"], found["submission"] or {}
    known = f"revision {request['revision']}; the web side knows {request['told_revision']}"
    lines = [
        f"Request    {request['id']}",
        f"State      {request['state']} since {_time(request['changed_at'])} ({known})",
    ]
    if request["reason"]:
        lines.append(f"Reason     {visible(request['reason'])}")
    if request["attempts"]:
        lines.append(f"Attempts   {request['attempts']}")
    if submission:
        came = f"by {visible(submission['source'])} at {_time(submission['submitted_at'])}"
        lines += [
            f"Requester  {visible(submission['requester'] or 'anonymous')}, {came}",
            f"Profile    {visible(submission['profile_name'])}",
            f"Rule       {visible(str(submission['rule'].get('name', '')))}",
            f"Names      {', '.join(visible(name) for name in found['names']) or 'none'}",
        ]
        if submission["comment"]:
            lines.append(f"Comment    {visible(submission['comment'])}")
    if found["certificate"]:
        lines.append(f"Serial     {found['certificate']['serial']}")
    for decision in found["decisions"]:
        lines.append(
            f"Decision   {_time(decision['decided_at'])} {decision['approver']}:"
            f" {decision['verdict']} ({decision['effect']}) {visible(decision['reason'])}".rstrip()
        )
    for entry in found["audit"]:
        shown = ", ".join(f"{name}={value}" for name, value in entry["details"].items())
        lines.append(f"Audit      {_time(entry['at'])} {entry['event']}: {visible(shown)}")
    return "\n".join(lines)


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value
        for name, value in row.items()
        if name not in _BARE
    }


def _names(csr: bytes) -> list[str]:
    """Return the names; without any, the subject by which the request is known."""
    try:
        read = csrs.read(csr)
    except RequesterError:
        return []
    return [str(name) for name in read.names] or [read.subject]


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
