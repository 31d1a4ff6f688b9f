"""Warn of connections that somebody on the way could read or answer."""

import structlog

from settings.transport import unprotected

log = structlog.get_logger(__name__)


def warn_of_exposed(database: str, broker: str = "") -> None:
    """Log each server on another host that is not made to prove its name by TLS; by their URLs."""
    for to, url in (("database", database), ("broker", broker)):
        for host in unprotected(url):
            log.warning("connection-without-tls", to=to, host=host)
