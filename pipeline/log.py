"""Logging by structlog: JSON lines in production, readable lines in development.

What libraries log by the standard library goes the same way. Dramatiq speaks only of
warnings and worse, since its lower levels show arguments; pika is silent, since we report ourselves
what becomes of a connection.
"""

import json
import logging
import sys
from contextlib import suppress
from functools import partial
from typing import IO, Any, Final

import msgspec
import structlog

from settings.common import Log

_QUIET = {
    "dramatiq": "WARNING",
    "pika": "CRITICAL",
    "apscheduler": "ERROR",
    "alembic": "WARNING",
    "waitress.queue": "ERROR",
}


def configure(settings: Log, process: str) -> None:
    """Set up logging of this process, to standard error, with the process's name in every line."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(process),
    ]
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    renderer: Any
    factory: Any = _by_library
    processors: list[Any] = [structlog.stdlib.ProcessorFormatter.wrap_for_formatter]
    if settings.format == "json":
        # Without local variables: among them are passphrases and CSRs.
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        shared.append(structlog.processors.ExceptionRenderer(tracebacks))
        renderer = structlog.processors.JSONRenderer()
        processors, factory = [_line], partial(_Lines, _Lossy(sys.stderr.buffer))
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[*shared, *processors],
        logger_factory=factory,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)


class _Lines(structlog.BytesLogger):
    """Writes our own lines straight to standard error: by the standard library each would cost several
    times as much, and every request has some."""

    def __init__(self, file: Any, name: str = "") -> None:
        super().__init__(file)
        self.name = name


class _Lossy:
    """A file that never fails whoever writes to it: on a full disk, or when nobody reads it any more,
    lines are lost, and not the work that they tell of. So do the standard library's handlers."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, line: bytes) -> None:
        with suppress(OSError):
            self._file.write(line)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


def _line(_logger: Any, _method: str, event: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(event, enc_hook=repr)
    except UnicodeEncodeError:  # half a character, from outside
        return json.dumps(event, default=repr).encode()


_by_library: Final = structlog.stdlib.LoggerFactory()


def _named(process: str) -> Any:
    def add(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        event.setdefault("process", process)
        return event

    return add
