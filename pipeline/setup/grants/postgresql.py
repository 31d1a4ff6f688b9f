"""What PostgreSQL is told: roles, databases, who may connect. What roles may do with the tables is
granted by `httpca migrate`, when there are tables.

The files are for psql, as a superuser. To apply one twice is harmless.
"""

from collections.abc import Iterable
from typing import Final

from pipeline.setup.grants import accounts as names
from pipeline.setup.grants.accounts import Account
from pipeline.setup.grants.passwords import scram_verifier
from pipeline.setup.grants.servers import Servers

_HEAD: Final = """\
-- {title}
-- For psql, as a superuser of PostgreSQL; `httpca grants apply` does it. Twice is harmless.
-- No password stands here: only what PostgreSQL keeps to check them (SCRAM-SHA-256).
\\set ON_ERROR_STOP on
SET client_min_messages = warning;
"""

FEW_CONNECTIONS: Final = 5
"""For accounts of people: what one of them opens must not use up the server's connections."""


LARGE_OBJECTS: Final = ", ".join(
    f"pg_catalog.{function}"
    for function in ("lo_create(oid)", "lo_creat(integer)", "lo_from_bytea(oid, bytea)")
)


def side(servers: Servers, side: str, accounts: Iterable[Account]) -> str:
    """Return the statements that make a side's database and the accounts on it."""
    database, owner = servers.database(side), servers.account(names.OWNERS[side])
    here = [account for account in accounts if account.side == side]
    lines = [_HEAD.format(title=f"The database of the {side} side, and its accounts.")]
    for account in here:
        few = account.name == servers.account("signer_reader")
        lines += [*_login(account, few=few), ""]
    admitted = [account.name for account in here if account.name != owner]
    if side == "signer":
        group = servers.account(names.APPROVERS)
        lines += [_unless_there("ROLE", group, f"CREATE ROLE {_name(group)} NOLOGIN"), ""]
        admitted.append(group)
    everybody = ", ".join(map(_name, admitted))
    create = (
        f"CREATE DATABASE {_name(database)} OWNER {_name(owner)} ENCODING 'UTF8' TEMPLATE template0"
    )
    lines += [
        _unless_there("DATABASE", database, create),
        # It may have been there before, as after `createdb`: whose tables it holds must get in.
        f"ALTER DATABASE {_name(database)} OWNER TO {_name(owner)};",
        f"REVOKE ALL ON DATABASE {_name(database)} FROM PUBLIC;",
        f"GRANT CONNECT ON DATABASE {_name(database)} TO {everybody};",
        "",
        f"\\connect {_name(database)}",
        f"ALTER SCHEMA public OWNER TO {_name(owner)};",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC;",
        f"GRANT USAGE ON SCHEMA public TO {everybody};",
        "-- Who may write into no table should fill no disk by large objects either.",
        f"REVOKE EXECUTE ON FUNCTION {LARGE_OBJECTS} FROM PUBLIC;",
    ]
    return "\n".join(lines) + "\n"


def approver(servers: Servers, account: Account) -> str:
    """Return the statements that make an approver's account on the signer's database."""
    group = servers.account(names.APPROVERS)
    lines = [
        _HEAD.format(title="An approver's account on the signer's database."),
        *_login(account, few=True),
        f"GRANT {_name(group)} TO {_name(account.name)};",
    ]
    return "\n".join(lines) + "\n"


def _login(account: Account, *, few: bool) -> list[str]:
    name, verifier = account.name, scram_verifier(account.database_password)
    lines = [
        _unless_there("ROLE", name, f"CREATE ROLE {_name(name)}"),
        f"ALTER ROLE {_name(name)} LOGIN PASSWORD {_text(verifier)};",
    ]
    if few:
        lines += [
            f"ALTER ROLE {_name(name)} CONNECTION LIMIT {FEW_CONNECTIONS};",
            f"ALTER ROLE {_name(name)} SET default_transaction_read_only = on;",
        ]
    return lines


def hba(servers: Servers, sides: Iterable[str]) -> str:
    """Return the lines of ``pg_hba.conf`` that admit our accounts to their databases alone."""
    lines = [
        "# HttpCA: put these lines above all others, with the addresses of your hosts for `all`.",
        "# The first line that fits a connection decides.",
    ]
    kind = "host" if servers.tls == "none" else "hostssl"
    how = "scram-sha-256" + ("" if servers.tls == "none" else " clientcert=verify-full")
    for one in sides:
        kinds = names.WEB if one == "web" else names.SIGNER
        accounts = [servers.account(names.OWNERS[one])]
        accounts += [
            ("+" if name == names.APPROVERS else "") + servers.account(name)
            for name in kinds.values()
        ]
        lines += [f"{kind} {servers.database(one)} {name} all {how}" for name in accounts]
        lines += [f"host all {name} all reject" for name in accounts]
    return "\n".join(lines) + "\n"


def configuration() -> str:
    """Return what ``postgresql.conf`` needs for TLS; the files lie in PostgreSQL's data folder."""
    return """\
# HttpCA: ca.pem, server.pem and server.key (mode 0600, PostgreSQL's own) lie in the data folder.
ssl = on
ssl_ca_file = 'ca.pem'
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
ssl_min_protocol_version = 'TLSv1.2'
password_encryption = 'scram-sha-256'
"""


def _unless_there(kind: str, name: str, statement: str) -> str:
    table, column = {"ROLE": ("roles", "rolname"), "DATABASE": ("database", "datname")}[kind]
    found = f"FROM pg_{table} WHERE {column} = {_text(name)}"
    return " ".join(["SELECT", _text(statement), "WHERE NOT EXISTS (SELECT", found, r") \gexec"])


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
