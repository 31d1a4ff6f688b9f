"""The folders and settings that there are only when each process has an account of its own."""

import json
import secrets
from collections.abc import Mapping
from typing import Final

from pipeline.setup.settings_files import PAGES, TABLES

TLS: Final = """
[tls]
# Whom we believe that they are the servers, and who we are to them (common name: {account}).
ca = "transport-ca.pem"
certificate = "transport.pem"
key = "transport.key"
"""

_HTTP: Final = """\
# Settings of process `web`: pages and API. It has no broker and no message key.
# A variable overrides each: HTTPCA_WEB_DATABASE for database, HTTPCA_WEB_HTTP_PORT for port in [http].
role = "web"

# With an account that writes requests down and reads them back.
database = {database}

{pages}{tables}[log]
format = "json"
"""

_WEB_OPERATOR: Final = """\
# Settings for operators of the web side: `httpca token` and `httpca export`.
role = "web"

# With an account that makes and revokes tokens, and reads the rest.
database = {database}
"""

_READER: Final = """\
# Settings for those who only look at the signer side: `httpca requests list` and `show`.
role = "signer"

# With an account that reads everything in the signer's database and changes nothing.
database = {database}
"""

_OWNER: Final = """\
# Settings of the owner of the {side} side's tables: for `httpca migrate`, and for nothing that runs.
role = "owner"
side = "{side}"

# With the account that owns the tables.
database = {database}

# Who is granted which rights: for each kind of account in pipeline/{side}/grants.py its role.
[accounts]
{accounts}
"""


def http(database: str) -> str:
    """Return the settings of process `web`."""
    return _HTTP.format(
        database=quoted(database),
        pages=PAGES.format(secret=quoted(secrets.token_urlsafe(32))),
        tables=TABLES.format(anonymous="false", operator="DIR/web-operator"),
    )


def web_operator(database: str) -> str:
    """Return the settings of the web side's operators."""
    return _WEB_OPERATOR.format(database=quoted(database))


def signer_reader(database: str) -> str:
    """Return the settings of the signer side's readers."""
    return _READER.format(database=quoted(database))


def owner(side: str, database: str, accounts: Mapping[str, str]) -> str:
    """Return the settings of the owner of a side's tables."""
    lines = "\n".join(f"{kind} = {quoted(account)}" for kind, account in accounts.items())
    return _OWNER.format(side=side, database=quoted(database), accounts=lines)


def quoted(text: str) -> str:
    """Return a TOML string; it and JSON escape alike what can stand in a line."""
    return json.dumps(text, ensure_ascii=False)
