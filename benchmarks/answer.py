"""The small WSGI function that `benchmarks.servers` has served. It imports nothing of ours."""

from collections.abc import Callable, Iterable
from typing import Any, Final

ANSWER: Final = b"x" * 700
"""About as long as what `POST /api/v1/requests` answers."""


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Read the body and answer."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start("202 Accepted", [("Content-Type", "text/plain"), ("Content-Length", str(len(ANSWER)))])
    return [ANSWER]
