"""Who has an account, what it may do, and who comes later."""

import json
import shutil
import stat
from pathlib import Path

import pytest
from cryptography import x509

from pipeline.cli import main
from pipeline.errors import SettingsError
from pipeline.setup.directory import create
from pipeline.setup.grants.rabbitmq import permissions
from pipeline.setup.options import SetupOptions
from pipeline.signer import grants as signer_grants
from pipeline.signer.tables import metadata as signer_tables
from pipeline.stages import Role
from pipeline.web import grants as web_grants
from pipeline.web.tables import metadata as web_tables
from settings.approver import load_approver
from settings.load import FILE
from settings.owner import load_owner
from settings.signer import load_signer
from settings.web import load_web
from tests.unit.setup.grants.made import made


def test_every_approver_and_every_process_connects_as_somebody_else(ready: Path) -> None:
    urls = [
        load_web(ready / "web").database,
        load_web(ready / "web-http").database,
        load_web(ready / "web-operator").database,
        load_signer(ready / "signer").database,
        load_signer(ready / "signer-reader").database,
        load_approver(ready / "approvers/alice").signer_database,
        load_approver(ready / "approvers/bob").signer_database,
        load_owner(ready / "owner/web").database,
        load_owner(ready / "owner/signer").database,
    ]
    logins = [url.partition("://")[2].partition("@")[0] for url in urls]
    assert len({login.partition(":")[0] for login in logins}) == len(urls)
    assert len({login.partition(":")[2] for login in logins}) == len(urls)
    assert all("sslmode=verify-full" in url for url in urls)


def test_what_only_process_web_reads_stands_in_its_own_settings_and_nowhere_else(
    ready: Path, tmp_path: Path
) -> None:
    """Whoever changed a limit or the proxies elsewhere would change nothing, and not be told."""
    create(SetupOptions(tmp_path / "one-account"))
    alone, worker, http = (
        (folder / FILE).read_text("utf-8")
        for folder in (tmp_path / "one-account/web", ready / "web", ready / "web-http")
    )
    for line in ("[http]", "[limits]", "# trusted_proxies = 0", "profiles = ", "secret = "):
        assert f"\n{line}" in alone
        assert f"\n{line}" in http
        assert f"\n{line}" not in worker
    assert "in the folder web-http" in worker


def test_everything_is_for_its_owner_alone(ready: Path) -> None:
    for path in ready.rglob("*"):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_an_approver_whose_name_is_too_long_for_an_account_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at most 47 characters"):
        made(tmp_path, approvers=("a" * 48,))


def test_an_approver_may_write_to_decide_and_nothing_else() -> None:
    mine = permissions(Role.APPROVER)
    assert (mine.configure, mine.write, mine.read) == ("^$", r"^(signer\.decide)$", "^$")


def test_owners_name_every_kind_of_account(
    ready: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(load_owner(ready / "owner/web").accounts) == set(web_grants.RIGHTS)
    assert set(load_owner(ready / "owner/signer").accounts) == set(signer_grants.RIGHTS)
    owner = Path(shutil.copytree(ready / "owner/web", tmp_path / "web"))
    file = owner / "settings.toml"
    file.write_text(file.read_text("utf-8").replace("worker = ", "working = "))
    assert main(["migrate", "--config", str(owner)]) == 1
    assert "there are: http, worker, operator" in capsys.readouterr().err


def test_sqlite_has_no_owner(tmp_path: Path) -> None:
    text = 'role = "owner"\nside = "web"\ndatabase = "sqlite:///x.db"\n[accounts]\n'
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(SettingsError, match="is not PostgreSQL"):
        load_owner(tmp_path)


def test_every_table_stands_in_every_account_s_rights() -> None:
    # A table of a later revision is not forgotten: say for each account what it may do with it.
    tables = {"web": web_tables.tables, "signer": signer_tables.tables}
    for side, rights in {"web": web_grants.RIGHTS, "signer": signer_grants.RIGHTS}.items():
        for kind, mine in rights.items():
            missing = set(tables[side]) - set(mine)
            assert not missing, f"pipeline/{side}/grants.py, {kind!r}: say rights on {missing}"


def test_another_approver_gets_an_account_which_replaces_what_their_settings_said(
    tmp_path: Path,
) -> None:
    directory = made(tmp_path, approvers=("alice",))
    carol = directory / "approvers/carol"
    carol.mkdir(mode=0o700)
    text = (directory / "approvers/alice/settings.toml").read_text("utf-8")
    plain = text.replace('"alice"', '"carol"').partition("\n[tls]\n")[0] + "\n"
    (carol / "settings.toml").write_text(plain)

    assert main(["grants", "approver", str(directory), "carol"]) == 0

    found = load_approver(carol)
    assert "://httpca_approver_carol:" in found.signer_database
    assert "carol%2Ftransport.pem" in found.broker
    certificate = x509.load_pem_x509_certificate((carol / "transport.pem").read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=httpca_approver_carol"
    definitions = json.loads((directory / "setup/grants/approver-carol.json").read_bytes())
    assert [one["name"] for one in definitions["users"]] == ["httpca_approver_carol"]
    assert main(["grants", "approver", str(directory), "carol"]) == 0
    assert load_approver(carol).signer_database != found.signer_database


def test_an_approver_who_is_added_gets_an_account_and_not_another_s_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = made(tmp_path, approvers=("alice",))

    assert main(["setup", "add-approver", "carol", "--dir", str(directory)]) == 0

    assert f"httpca grants apply {directory}/setup/grants" in capsys.readouterr().out
    theirs = (directory / "approvers/carol/settings.toml").read_text("utf-8")
    assert (
        "://httpca_approver_carol:" in load_approver(directory / "approvers/carol").signer_database
    )
    assert "alice" not in theirs
    assert (directory / "setup/grants/approver-carol.sql").is_file()


def test_an_account_needs_an_approver_s_folder(
    ready: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grants", "approver", str(ready), "nobody"]) == 1
    assert "no such approver's folder" in capsys.readouterr().err
