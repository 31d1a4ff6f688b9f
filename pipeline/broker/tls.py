"""TLS to RabbitMQ, as the broker's URL says it: ``amqps://HOST/VHOST?cacertfile=…&certfile=…&keyfile=…``.

The names of the parameters are those that RabbitMQ's clients have in common (RabbitMQ, "URI Query
Parameters"). Without an account in the URL the certificate is the account: SASL EXTERNAL.
"""

import ssl
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pika
from pika.credentials import ExternalCredentials

from pipeline.errors import SettingsError

FILES: Final = ("cacertfile", "certfile", "keyfile")


def url_parameters(url: str) -> pika.URLParameters:
    """Read one URL of a broker.

    With ``amqps://`` the server must prove that it has the URL's host name, by one of the CAs in
    ``cacertfile``, else by those of the operating system.

    Raises:
        SettingsError: a file or a value of the query cannot be used.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    ca, certificate, key = (query.pop(name, None) for name in FILES)
    try:
        parameters = pika.URLParameters(urlunsplit(parts._replace(query=urlencode(query))))
    except (ValueError, TypeError) as error:  # a heartbeat that is no number, for example
        raise SettingsError("the broker's URL", "", f"cannot be used: {error}") from error
    if parts.scheme == "amqps":
        context = _context(ca, certificate, key)
        parameters.ssl_options = pika.SSLOptions(context, parts.hostname)
        if certificate and parts.username is None:
            parameters.credentials = ExternalCredentials()
    return parameters


def _context(ca: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(name for name in (ca, certificate, key) if name)
        reason = error.strerror or str(error)
        raise SettingsError(files, "tls", f"cannot be used for TLS: {reason}") from error
    return context
