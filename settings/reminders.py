"""The hook by which approvers are reminded: ``[reminders]`` of the signer side's settings."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, field

from pipeline.errors import SettingsError
from settings.common import is_url
from settings.load import Settings


class Reminders(Settings, frozen=True):
    """How approvers are reminded of what waits for longer than its rule's ``remind_after``: by a
    command (a list: the program's path and its arguments), a webhook (a URL), or both; by neither
    unless set. ``timeout`` is how many seconds each may take."""

    command: list[str] = field(default_factory=list)
    webhook: str = ""
    timeout: Annotated[float, Meta(gt=0, le=300)] = 10.0


def check_reminders(reminders: Reminders, directory: Path, file: str) -> None:
    """Raise ``SettingsError`` when a command or URL is none that could be used."""
    if reminders.command and not Path(reminders.command[0]).is_absolute():
        problem = f"found {reminders.command[0]!r}; begin with the whole path of a program"
        raise SettingsError(directory / file, "reminders.command", problem)
    if reminders.webhook and not _is_webhook(reminders.webhook):
        problem = f"found {reminders.webhook!r}; a URL begins with https:// or http:// and a host"
        raise SettingsError(directory / file, "reminders.webhook", problem)


def _is_webhook(url: str) -> bool:
    if not is_url(url):
        return False
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
