"""The key that signs sessions and forms."""

import contextlib
import os
import secrets
from pathlib import Path

from settings.web import WebSettings


def secret_key(settings: WebSettings) -> str:
    """Return the setting ``secret``; without it that of ``data/web.secret``, made if need be."""
    if settings.secret:
        return settings.secret
    file = Path(settings.directory, "data", "web.secret")
    if not file.exists():
        _make(file)
    return file.read_text("ascii").strip()


def _make(file: Path) -> None:
    """Make it whole or not at all; of several processes that start at once the first one does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    with open(draft, "x", opener=_private) as writing:
        writing.write(secrets.token_urlsafe(32) + "\n")
    with contextlib.suppress(FileExistsError):
        os.link(draft, file)
    draft.unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
