"""The ``settings.toml`` of each role, as `httpca setup` writes it: what is needed, with its meaning."""

import json
import secrets

import msgspec

from pipeline.setup.issuing import as_toml
from pipeline.setup.options import SetupOptions
from settings.issuer import THE_ONE

_WEB = """\
# Settings of the web side: its processes {processes}.
# A variable overrides each: HTTPCA_WEB_DATABASE for database, HTTPCA_WEB_LOG_LEVEL for level in [log].
role = "web"

# Where requests and certificates are kept: postgresql+psycopg://USER:PASSWORD@HOST:PORT/NAME, or a
# SQLite file below this folder. After a change: httpca migrate --config THIS_FOLDER
database = {database}

# The broker, with the web side's account: amqp://USER:PASSWORD@HOST:PORT/VHOST (amqps:// with TLS).
# "memory:" is the broker of `httpca dev` alone, which runs both sides in one process.
broker = {broker}

{pages}# The file that holds the passphrase of message.key, when that is encrypted.
# message_passphrase_file = ""

{tables}[log]
# "json" for machines, "text" for people; level: debug, info, warning, error
format = {log}
"""

PAGES = """\
# The profiles that the form offers. What they mean stands in the signer's policy.toml.
profiles = ["server", "client", "server-client", "email", "spiffe"]
# Those of them whose CSRs have a subject and no names (code-signing, ocsp-responder, sub-ca).
# profiles_without_names = []

# Protects the form against forgery by other sites; the same for every process `web`.
secret = {secret}

"""
"""Of process `web`: what stands above all tables."""

TABLES = """\
[http]
# host = "127.0.0.1"
# port = 8000        (PORT in the environment, as honcho sets it, comes first)
# How many proxies in front of `web` tell us the requester's address (X-Forwarded-For).
# trusted_proxies = 0
# Whether somebody without a token may submit. Tokens: httpca token create NAME --config {operator}
anonymous = {anonymous}

[limits]
# How many HTTP requests are answered in a minute: for each address, and for each known requester.
# 0 is no limit.
# address = 3000
# requester = 6000

"""
"""Of process `web`: its tables."""

_ELSEWHERE = """\
# Process web has an account and settings of its own, in the folder web-http: [http], [limits], profiles
# and secret stand there.

"""

_SIGNER = """\
# Settings of the signer side: its processes signer-worker and signer-clock.
# A variable overrides each: HTTPCA_SIGNER_DATABASE for database, HTTPCA_SIGNER_LOG_LEVEL for level
# in [log]. Which requests are signed, and what is in a certificate, stands in policy.toml.
role = "signer"

# Where requests, decisions and audit are kept; never the web side's database:
# postgresql+psycopg://USER:PASSWORD@HOST:PORT/NAME, or a SQLite file below this folder.
# After a change: httpca migrate --config THIS_FOLDER
database = {database}

# The broker, with the signer side's account: amqp://USER:PASSWORD@HOST:PORT/VHOST (amqps:// with
# TLS). "memory:" is the broker of `httpca dev` alone, which runs both sides in one process.
broker = {broker}

# The file that holds the passphrase of ca/issuing.key, when that is encrypted.
{passphrase}
# More than one issuing CA, or a key in a token: each in a table [[issuers]], at the end of this file
# (httpca ca import prints it). Without any, it is the one in ca/issuing.pem.

# The same for message.key.
# message_passphrase_file = ""

# For how many days a request waits for an approver before it expires.
# waiting_days = 30

[log]
# "json" for machines, "text" for people; level: debug, info, warning, error
format = {log}
{issuers}"""

_APPROVER = """\
# Settings of the approver {name}, for `httpca approve`.
# A variable overrides each: HTTPCA_APPROVER_BROKER for broker.
role = "approver"
name = {quoted_name}

# The signer's database, of which an approver reads four views and needs no other right.
signer_database = {database}

# The broker, with an account that may only publish to the queue signer.decide. With "memory:"
# decisions go by this folder's spool alone, where `httpca dev` finds them.
broker = {broker}

# The file that holds the passphrase of message.key, when that is encrypted; without it the terminal
# is asked.
# message_passphrase_file = ""
"""


def web(options: SetupOptions) -> bytes:
    """Return the web side's settings."""
    apart = options.servers is not None
    anonymous = "true" if options.development else "false"
    return _WEB.format(
        processes="web-worker and web-clock" if apart else "web, web-worker and web-clock",
        database=_quoted(options.web_database),
        broker=_quoted(options.web_broker),
        pages=_ELSEWHERE if apart else PAGES.format(secret=_quoted(secrets.token_urlsafe(32))),
        tables="" if apart else TABLES.format(anonymous=anonymous, operator="THIS_FOLDER"),
        log=_log(options),
    ).encode()


def signer(options: SetupOptions) -> bytes:
    """Return the signer side's settings."""
    file = options.passphrase_file
    return _SIGNER.format(
        database=_quoted(options.signer_database),
        broker=_quoted(options.signer_broker),
        passphrase=f"passphrase_file = {_quoted(str(file.resolve()))}"
        if file
        else '# passphrase_file = ""',
        log=_log(options),
        issuers=_issuers(options),
    ).encode()


def _issuers(options: SetupOptions) -> str:
    if not options.ca_token:
        return ""
    key, pin = options.ca_token, options.pin_source
    return "\n" + as_toml(msgspec.structs.replace(THE_ONE, key=key, passphrase=pin))


def approver(options: SetupOptions, name: str) -> bytes:
    """Return an approver's settings."""
    return approver_of(name, options.database_of_approvers(), options.approver_broker)


def approver_of(name: str, database: str, broker: str) -> bytes:
    """Return the settings of an approver who reaches the signer's database and the broker so."""
    return _APPROVER.format(
        name=name,
        quoted_name=_quoted(name),
        database=_quoted(database),
        broker=_quoted(broker),
    ).encode()


def _log(options: SetupOptions) -> str:
    return _quoted("text" if options.development else "json")


def _quoted(text: str) -> str:
    """Return a TOML string; it and JSON escape alike what can stand in a line."""
    return json.dumps(text, ensure_ascii=False)
