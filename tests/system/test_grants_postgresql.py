"""What each account may do in PostgreSQL, tried on the server: each role, each operation."""

import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Table

from pipeline.database.grants import Rights
from pipeline.signer.grants import RIGHTS as SIGNER_RIGHTS
from pipeline.signer.tables import VIEW_DEFINITIONS
from pipeline.signer.tables import metadata as signer_tables
from pipeline.web.grants import RIGHTS as WEB_RIGHTS
from pipeline.web.tables import metadata as web_tables
from tests.system.guarded import FOLDERS, Guarded
from tests.system.installation import done, httpca
from tests.system.tally import Tally, counted

KINDS = {
    "web-http": "http",
    "web": "worker",
    "web-operator": "operator",
    "signer": "signer",
    "signer-reader": "reader",
    "approvers/approver": "approvers",
}
ACCOUNTS = tuple(KINDS)
RIGHTS: dict[str, Rights] = {"web": WEB_RIGHTS, "signer": SIGNER_RIGHTS}
TABLES = {"web": web_tables.tables, "signer": signer_tables.tables}

REFUSED = {"42501", "55000"}
"""insufficient_privilege; and a view that nobody can change."""

ALLOWED_BUT_WRONG = {"23502", "0A000"}
"""What is wrong with a statement of ours apart from rights: a column that must not be empty, a table
that another one refers to."""

NOBODYS = {
    "make a table": "CREATE TABLE public.mine (a int)",
    "make a temporary table": "CREATE TEMPORARY TABLE mine (a int)",
    "make a schema": "CREATE SCHEMA mine",
    "make a function": "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "make a role": "CREATE ROLE mine",
    "make a database": "CREATE DATABASE mine",
    "become the owner": "SET ROLE {owner}",
    "change the owner's password": "ALTER ROLE {owner} PASSWORD 'mine'",
    "change the owner": "ALTER TABLE audit OWNER TO CURRENT_USER",
    "add a column": "ALTER TABLE audit ADD COLUMN mine int",
    "add a trigger": (
        "CREATE TRIGGER mine BEFORE INSERT ON audit EXECUTE FUNCTION tsvector_update_trigger()"
    ),
    "switch off triggers": "ALTER TABLE audit DISABLE TRIGGER ALL",
    "switch off foreign keys": "SET session_replication_role = replica",
    "remove the audit": "DROP TABLE audit",
    "lock the audit": "LOCK TABLE audit IN ACCESS EXCLUSIVE MODE",
    "rewrite the audit by a rule": "CREATE RULE mine AS ON INSERT TO audit DO INSTEAD NOTHING",
    "change a view": "ALTER TABLE requests RENAME TO mine",
    "make a large object": "SELECT lo_create(0)",
    "make a large object of octets": "SELECT lo_from_bytea(0, 'x')",
    "read the server's files": "SELECT pg_read_file('PG_VERSION')",
    "run a program": "COPY (SELECT 1) TO PROGRAM 'true'",
    "read password hashes": "SELECT rolpassword FROM pg_authid",
    "change the server": "ALTER SYSTEM SET work_mem = '1MB'",
}


@pytest.fixture(scope="module")
def tally(pytestconfig: pytest.Config) -> Iterator[Tally]:
    with counted("PostgreSQL", len(FOLDERS), pytestconfig) as found:
        yield found


def connect(guarded: Guarded, folder: str) -> psycopg.Connection:
    # An account's default says nothing of its rights: whoever has it can change that.
    options = "-c default_transaction_read_only=off"
    return psycopg.connect(guarded.database_url(folder), autocommit=True, options=options)


def may(connection: psycopg.Connection, statement: str | sql.Composed) -> bool:
    """Try a statement, undo it, and return whether the account's rights allow it."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except psycopg.Error as error:
        if error.sqlstate in REFUSED:
            return False
        if error.sqlstate not in ALLOWED_BUT_WRONG:
            raise
    return True


def columns_of(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def granted(rights: str) -> dict[str, set[str] | None]:
    """Read ``SELECT, UPDATE (a, b)``: each right with its columns, None for all."""
    return {
        right: set(columns.split(", ")) if columns else None
        for right, columns in re.findall(r"([A-Z]+)(?: \(([^)]*)\))?", rights)
    }


@pytest.mark.parametrize("folder", ACCOUNTS)
def test_an_account_may_do_with_tables_what_it_was_granted_and_nothing_else(
    folder: str, guarded: Guarded, tally: Tally
) -> None:
    side = FOLDERS[folder]
    mine = RIGHTS[side][KINDS[folder]]
    views = VIEW_DEFINITIONS if side == "signer" else {}
    with connect(guarded, folder) as connection:
        for table in [*TABLES[side], *views, "alembic_version"]:
            rights = granted(mine[table])
            name = sql.Identifier(table)
            for right, form in {
                "SELECT": "SELECT 1 FROM {} LIMIT 0",
                "INSERT": "INSERT INTO {} DEFAULT VALUES",
                "DELETE": "DELETE FROM {} WHERE false",
                "TRUNCATE": "TRUNCATE {}",
            }.items():
                if right == "TRUNCATE" and table in views:
                    continue
                found = may(connection, sql.SQL(form).format(name))
                tally.note(f"{folder}: {right} {table}", expected=right in rights, found=found)
            if table in TABLES[side]:
                for column in columns_of(TABLES[side][table]):
                    columns = rights.get("UPDATE", set())
                    change = sql.SQL("UPDATE {} SET {} = NULL WHERE false")
                    found = may(connection, change.format(name, sql.Identifier(column)))
                    expected = columns is None or column in columns
                    tally.note(f"{folder}: UPDATE {table}.{column}", expected=expected, found=found)
    tally.judge()


@pytest.mark.parametrize("folder", ACCOUNTS)
def test_no_account_of_a_process_may_change_the_database_itself(
    folder: str, guarded: Guarded, tally: Tally
) -> None:
    owner = sql.Identifier(f"{guarded.prefix}_{FOLDERS[folder]}_owner").as_string(None)
    with connect(guarded, folder) as connection:
        for what, statement in NOBODYS.items():
            if what in ("make a database", "change the server"):  # in no transaction
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
                found = False
            else:
                found = may(connection, statement.format(owner=owner))
            tally.note(f"{folder}: {what}", expected=False, found=found)
    tally.judge()


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_account_gets_into_the_other_side_s_database(
    folder: str, guarded: Guarded, tally: Tally
) -> None:
    ours = FOLDERS[folder]
    other = guarded.databases["signer" if ours == "web" else "web"]
    url, _, _ = guarded.database_url(folder).rpartition("/")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(f"{url}/{other}")
    tally.note(f"{folder}: connect to {other}", expected=False, found=False)


@pytest.mark.parametrize("folder", ACCOUNTS)
def test_the_audit_can_be_added_to_at_most(folder: str, guarded: Guarded) -> None:
    # Said apart from the tables of rights, so that no change of those passes unseen.
    with connect(guarded, folder) as connection:
        for change in (
            "UPDATE audit SET details = NULL WHERE false",
            "DELETE FROM audit WHERE false",
            "TRUNCATE audit",
        ):
            assert not may(connection, change), change


@pytest.mark.parametrize("folder", ACCOUNTS)
def test_no_account_hands_on_what_it_was_granted(folder: str, guarded: Guarded) -> None:
    rights = "SELECT relname, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    with connect(guarded, folder) as connection, connection.transaction(force_rollback=True):
        before = connection.execute(rights).fetchall()
        # PostgreSQL only warns whoever has a right but may not hand it on.
        may(connection, "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC")
        assert connection.execute(rights).fetchall() == before


def test_an_approver_reads_four_views_and_no_table(guarded: Guarded) -> None:
    with connect(guarded, "approvers/approver") as connection:
        readable = {
            name
            for name in [*signer_tables.tables, *VIEW_DEFINITIONS, "alembic_version"]
            if may(connection, sql.SQL("SELECT 1 FROM {} LIMIT 0").format(sql.Identifier(name)))
        }
    assert readable == set(VIEW_DEFINITIONS)


def test_process_web_makes_no_token_and_no_certificate(guarded: Guarded) -> None:
    with connect(guarded, "web-http") as connection:
        for change in (
            "INSERT INTO tokens DEFAULT VALUES",
            "UPDATE tokens SET hash = NULL WHERE false",
            "INSERT INTO certificates DEFAULT VALUES",
            "UPDATE requests SET state = NULL WHERE false",
            "INSERT INTO issuers DEFAULT VALUES",
        ):
            assert not may(connection, change), change


CHANGEABLE = {
    "decisions": {"effect"},  # whether it counts; what was decided stays
    "submissions": {"profile", "rule", "issuer", "policy_digest"},  # by re-evaluation
}


def test_what_is_decided_signed_or_issued_is_not_changed_even_by_the_signer(
    guarded: Guarded,
) -> None:
    with connect(guarded, "signer") as connection:
        for table in ("decisions", "tbs", "certificates", "submissions"):
            stay = set(columns_of(signer_tables.tables[table])) - CHANGEABLE.get(table, set())
            for column in sorted(stay):
                change = f"UPDATE {table} SET {column} = NULL WHERE false"
                assert not may(connection, change), change
            assert not may(connection, f"DELETE FROM {table} WHERE false"), table


def test_a_command_with_another_account_s_folder_says_so(guarded: Guarded) -> None:
    refused = httpca("token", "create", "ci", "--config", guarded.directory / "web")
    assert refused.returncode == 1
    assert "the account of this folder may not do that: permission denied" in refused.stderr
    done(httpca("token", "create", "ci", "--config", guarded.directory / "web-operator"))
    reader = guarded.directory / "signer-reader"
    refused = httpca("signer", "suspend", "--reason", "a drill", "--config", reader)
    assert refused.returncode == 1
    assert "the account of this folder only reads" in refused.stderr


def test_no_folder_holds_the_account_of_another(guarded: Guarded) -> None:
    for folder in FOLDERS:
        text = (guarded.directory / folder / "settings.toml").read_text("utf-8")
        logins = set(re.findall(rf"//({guarded.prefix}_[a-z_]+):", text))
        assert len(logins) == 1, folder
    passwords = {
        found[1]
        for folder in FOLDERS
        for value in guarded.settings(folder).values()
        if isinstance(value, str) and (found := re.match(r"[a-z+]+://[^:/]+:([^@]+)@", value))
    }
    assert len(passwords) == len(FOLDERS) + len(("web", "signer", "approver"))
    for file in (guarded.directory / "setup").rglob("*"):
        assert file.stat().st_mode & 0o077 == 0, file
        if file.is_file():
            octets = file.read_bytes()
            assert not [one for one in passwords if one.encode() in octets], file
