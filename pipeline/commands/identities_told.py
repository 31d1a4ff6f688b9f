"""What `httpca setup add-approver | renew | revoke | list` says, to people and to machines."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.setup.identities import Change
from pipeline.setup.listing import Listed
from pipeline.stages import Role


def as_json(change: Change) -> dict[str, Any]:
    """Return a change as JSON has it."""
    return {
        "name": change.sender.name,
        "role": change.sender.role,
        "fingerprint": change.fingerprint,
        "until": change.until,
        "made": [str(path) for path in change.made],
        "moved": [{"from": str(old), "to": str(new)} for old, new in change.moved],
        "old": [str(path) for path in change.old],
    }


def added(change: Change) -> str:
    """Say what was made for a new approver, and what belongs where."""
    name = change.sender.name
    folder = next(path.parent for path in change.made if path.name == "settings.toml")
    trusted = next(path for path in change.made if path.parent.name == "trusted")
    return "\n".join(
        [
            f"{name} may approve, until {_date(change)} (SHA-256 {change.fingerprint}).",
            f"  {folder}/ is {name}'s own: bring it to their machine, and leave no copy here.",
            f"  {trusted} belongs into signer/trusted/ on the signer's host;",
            "  the running signer trusts it within seconds of its being there.",
        ]
    )


def renewed(change: Change) -> str:
    """Say what a renewal made, and in which order it is copied where."""
    own = [path for path in change.made if path.parent.name != "trusted"]
    trusted = [path for path in change.made if path.parent.name == "trusted"]
    until = f"until {_date(change)} (SHA-256 {change.fingerprint})"
    lines = [
        f"{change.sender.name} has a new message certificate, {until}.",
        "Made, and to be copied, in this order, to the same place on another host where one is:",
        *(f"  {path}" for path in [*trusted, *own]),
        "Running processes take them up within seconds; `httpca approve` does at its next start.",
    ]
    if change.old:
        lines += [
            "The old one is trusted beside it. When the new one is in use, put the old one away:",
            *(f"  rm {path}" for path in change.old),
        ]
    return "\n".join(lines)


def revoked(change: Change, directory: Path) -> str:
    """Say what a revocation did, what it means for decisions, and what is to be done elsewhere."""
    name = change.sender.name
    lines = [
        f"Revoked: {name}, SHA-256 {change.fingerprint}.",
        *(f"  {old} -> {new}" for old, new in change.moved),
        "Running processes refuse it within seconds. On another host do the same: the file into",
        "revoked/ beside trusted/, and out of trusted/. Leave it there for good.",
    ]
    if change.sender.role is Role.APPROVER:
        return "\n".join(
            [
                *lines,
                f"Decisions of {name} on requests that still wait count no more. List them all by:",
                f"  httpca requests decisions --by {name} --config {directory / 'signer'}",
            ]
        )
    return "\n".join([*lines, f"A new one is made by: httpca setup renew {name} --dir {directory}"])


def listed_as_json(found: Sequence[Listed]) -> dict[str, Any]:
    """Return the list of identities as JSON has it."""
    return {
        "identities": [
            {
                "name": one.sender.name,
                "role": one.sender.role,
                "fingerprint": one.fingerprint,
                "until": one.until,
                "in_use": one.in_use,
                "trusted": one.trusted,
                "revoked": one.revoked,
            }
            for one in found
        ]
    }


def listed(found: Sequence[Listed], moment: datetime) -> str:
    """Return the list of identities for people."""
    if not found:
        return "No message certificate lies here."
    return "\n".join(_line(one, moment) for one in found)


def _line(one: Listed, moment: datetime) -> str:
    days = (one.until - moment).days
    left = f"{days} days left" if one.until > moment else "its time is over"
    where = f"trusted by {' and '.join(one.trusted)}" if one.trusted else "trusted nowhere here"
    where += f", revoked for {' and '.join(one.revoked)}" if one.revoked else ""
    key = ", in use" if one.in_use else ""
    role = f"{one.sender.role}"
    return (
        f"{role:<8}  {one.sender.name:<20}  {one.until:%Y-%m-%d} ({left})  {where}{key}\n"
        f"          SHA-256 {one.fingerprint}"
    )


def _date(change: Change) -> str:
    return f"{change.until:%Y-%m-%d}"
