"""Every message certificate in a folder: whose it is, who has its key, which sides trust it."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pipeline.crypto.identity import Sender
from pipeline.setup import installation
from pipeline.setup.installation import SIDES, Found


@dataclass
class Listed:
    """A message certificate. ``in_use`` says whether its owner's folder here holds it; ``trusted``
    and ``revoked`` name the sides for which it is that."""

    sender: Sender
    fingerprint: str
    until: datetime
    in_use: bool = False
    trusted: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)


def certificates(directory: Path) -> list[Listed]:
    """Return every message certificate that is here, sides first, then by name and end.

    Raises:
        SettingsError: a file is no message certificate.
    """
    found: dict[str, Listed] = {}

    def of(one: Found) -> Listed:
        until = one.certificate.certificate.not_valid_after_utc
        listed = Listed(one.certificate.sender, one.fingerprint, until)
        return found.setdefault(one.fingerprint, listed)

    for one in installation.own(directory):
        of(one).in_use = True
    for side in (side.name for side in SIDES):
        for one in installation.trusted(directory, side):
            of(one).trusted.append(side)
        for one in installation.revoked(directory, side):
            of(one).revoked.append(side)
    return sorted(found.values(), key=_order)


def _order(listed: Listed) -> tuple[bool, str, datetime]:
    return listed.sender not in SIDES, listed.sender.name, listed.until
