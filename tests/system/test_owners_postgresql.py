"""The owner of a side's database: what its `migrate` makes of rights, and whom it belongs to."""

import secrets
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.system.guarded import OWNERS, Guarded
from tests.system.installation import done, httpca
from tests.system.test_grants_postgresql import connect, may


def test_a_right_that_was_given_by_hand_is_gone_after_migrate(guarded: Guarded) -> None:
    with connect(guarded, "owner/web") as owner:
        reader = sql.Identifier(f"{guarded.prefix}_web")
        owner.execute(sql.SQL("GRANT ALL ON audit TO {}, PUBLIC").format(reader))
        owner.execute(sql.SQL("GRANT UPDATE (state) ON requests TO {}").format(reader))
    done(httpca("migrate", "--config", guarded.directory / "owner/web"))
    with connect(guarded, "web-http") as connection:
        assert not may(connection, "DELETE FROM audit WHERE false")
        assert not may(connection, "UPDATE requests SET state = NULL WHERE false")


def test_migrate_names_the_role_that_is_not_there_and_changes_nothing(guarded: Guarded) -> None:
    file = guarded.directory / "owner/web/settings.toml"
    text = file.read_text("utf-8")
    missing = f"nobody_{secrets.token_hex(4)}"
    try:
        file.write_text(text.replace(f'"{guarded.prefix}_web_worker"', f'"{missing}"'))
        failed = httpca("migrate", "--config", file.parent)
    finally:
        file.write_text(text)
    assert failed.returncode == 1
    assert missing in failed.stderr
    assert "httpca grants apply" in failed.stderr
    with connect(guarded, "web-http") as connection:
        assert may(connection, "SELECT 1 FROM requests LIMIT 0")


@pytest.mark.parametrize("folder", OWNERS)
def test_a_database_that_was_there_before_becomes_the_owner_s(
    folder: str, guarded: Guarded
) -> None:
    name = guarded.databases[Path(folder).name]
    administrator = guarded.postgresql.url().replace("postgresql+psycopg:", "postgresql:", 1)
    with psycopg.connect(administrator, autocommit=True) as connection:
        database = sql.Identifier(name)
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(database))
    refused = httpca("migrate", "--config", guarded.directory / folder)
    assert "permission denied for database" in refused.stderr
    grants = guarded.directory / "setup" / "grants"
    done(httpca("grants", "apply", grants, "--postgresql", administrator))
    done(httpca("migrate", "--config", guarded.directory / folder))


@pytest.mark.parametrize("folder", OWNERS)
def test_nothing_that_runs_takes_the_owner_s_settings(folder: str, guarded: Guarded) -> None:
    process = "web" if folder == "owner/web" else "signer-worker"
    refused = httpca("run", process, "--config", guarded.directory / folder)
    assert refused.returncode == 1
    assert "settings.toml: role" in refused.stderr
