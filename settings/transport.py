"""TLS to the database and to the broker: ``[tls]`` in every role's ``settings.toml``.

The loaders put it into the URLs: libpq's own parameters for PostgreSQL, and for RabbitMQ those that
its clients have in common (``cacertfile``, ``certfile``, ``keyfile``). A URL that has such
parameters already is left as it is.
"""

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from pipeline.errors import SettingsError
from settings.load import FILE, Settings

POSTGRESQL = "postgresql+psycopg://"


class Tls(Settings, frozen=True):
    """Whom we believe, and who we are; paths are relative to the folder of the settings.

    ``ca`` holds the certificates (PEM) of the CAs that may name the servers; ``certificate`` and
    ``key`` are ours, for servers that ask. Without ``ca`` nothing is changed in the URLs.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""


def protected_database(url: str, tls: Tls, directory: Path) -> str:
    """Return a PostgreSQL URL with which the server must prove its name by TLS; SQLite's as it is.

    Raises:
        SettingsError: a file of ``tls`` is missing, or only one of certificate and key is named.
    """
    ca, certificate, key = _files(tls, directory)
    if not ca or not url.startswith(POSTGRESQL) or "sslmode" in parse_qs(urlsplit(url).query):
        return url
    wanted = {"sslmode": "verify-full", "sslrootcert": ca}
    if certificate:
        wanted |= {"sslcert": certificate, "sslkey": key}
    return _with(url, wanted)


def protected_broker(url: str, tls: Tls, directory: Path) -> str:
    """Return the URLs of the broker with which it must prove its name by TLS.

    Raises:
        SettingsError: as for the database, or a URL is ``amqp://``, which is without TLS.
    """
    ca, certificate, key = _files(tls, directory)
    if not ca:
        return url
    found = []
    for one in url.split(";"):
        parts = urlsplit(one)
        if parts.scheme == "amqp":
            problem = "is amqp://, which has no TLS, but [tls] is set; write amqps:// (port 5671)"
            raise SettingsError(directory / FILE, "broker", problem)
        if parts.scheme == "amqps" and "cacertfile" not in parse_qs(parts.query):
            wanted = {"cacertfile": ca}
            if certificate:
                wanted |= {"certfile": certificate, "keyfile": key}
            one = _with(one, wanted)
        found.append(one)
    return ";".join(found)


def unprotected(url: str) -> list[str]:
    """Return the hosts, other than this one, to which a URL leads without a TLS that checks names.

    URLs of brokers may be several, with ``;`` between them.
    """
    found = []
    for one in url.split(";"):
        parts = urlsplit(one)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.scheme == POSTGRESQL.partition(":")[0]:
            safe = query.get("sslmode") == "verify-full"
            host = query.get("host", parts.hostname or "")
        else:
            safe = parts.scheme != "amqp"
            host = parts.hostname or ""
        if not safe and not _is_here(host):
            found.append(host)
    return found


def _is_here(host: str) -> bool:
    """Tell whether a host is this one; a path is a Unix socket."""
    if not host or host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _files(tls: Tls, directory: Path) -> tuple[str, str, str]:
    if bool(tls.certificate) != bool(tls.key):
        raise SettingsError(
            directory / FILE, "tls", "needs both certificate and key, or neither of them"
        )
    if tls.certificate and not tls.ca:
        raise SettingsError(directory / FILE, "tls.ca", "is missing, and certificate is there")
    found = []
    for name, value in (("ca", tls.ca), ("certificate", tls.certificate), ("key", tls.key)):
        path = directory / value
        if value and not (value.isprintable() and path.is_file()):
            raise SettingsError(directory / FILE, f"tls.{name}", f"there is no file {path}")
        found.append(str(path.resolve()) if value else "")
    return found[0], found[1], found[2]


def _with(url: str, parameters: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"
