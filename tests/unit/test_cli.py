"""The command `httpca`: quick help, exit codes, sentences instead of tracebacks, JSON for machines."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from sqlalchemy import insert
from sqlalchemy.exc import OperationalError

from pipeline import cli
from pipeline.cli import COMMANDS, main
from pipeline.clock import now
from pipeline.commands.lazy import LazyGroup
from pipeline.database.advance import Move, admit, advance
from pipeline.database.engine import open_database
from pipeline.errors import BrokerUnavailable, HttpcaError, SettingsError
from pipeline.signer.tables import decisions, ledger, submissions
from pipeline.states import State
from pipeline.web import tokens
from settings.signer import load_signer
from settings.web import load_http
from tests.factories import NOW, openssl_csr

HEAVY = {
    "alembic",
    "apscheduler",
    "cryptography",
    "dramatiq",
    "flask",
    "pika",
    "rich",
    "sqlalchemy",
}
ID = "0197b3a0-0000-7000-8000-000000000001"
UNKNOWN = "0197b3a0-0000-7000-8000-00000000ffff"

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with migrated databases; tests put nothing into it that others would mind."""
    directory = tmp_path_factory.mktemp("cli") / "ca"
    assert main(["setup", str(directory)]) == 0
    for side in ("web", "signer"):
        assert main(["migrate", "--config", str(directory / side)]) == 0
    return directory


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory of the test's own."""
    assert main(["setup", str(tmp_path / "ca")]) == 0
    for side in ("web", "signer"):
        assert main(["migrate", "--config", str(tmp_path / "ca" / side)]) == 0
    return tmp_path / "ca"


def put_failed(directory: Path, comment: str = "") -> None:
    """Put a request that failed into the signer's database."""
    database = open_database(load_signer(directory).database)
    row = {"id": ID, "state": State.WAITING_FOR_SIGNATURE, "revision": 1, "told_revision": 0}
    with database.write() as connection:
        admit(connection, ledger, "policy", [{**row, "tell_at": NOW}], NOW)
        connection.execute(
            insert(submissions).values(
                request_id=ID,
                csr=openssl_csr(names=("DNS:www.example.test",)),
                profile_name="server",
                source="api",
                comment=comment,
                submitted_at=NOW,
                profile={},
                rule={"name": "default"},
                issuer="0" * 64,
                policy_digest="0" * 64,
            )
        )
        source, target = State.WAITING_FOR_SIGNATURE, State.FAILED
        advance(connection, ledger, "sign", [Move(ID, source, target, 1)], NOW)
    database.dispose()


def as_json(capsys: Output) -> Any:
    return json.loads(capsys.readouterr().out)


# --- help ----------------------------------------------------------------------------------------


def in_a_new_process(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    program = f"import sys; from pipeline.cli import main; code = main(sys.argv[1:]); {code or 0}"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(cli.__file__).parent.parent,
    )


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(option: str) -> None:
    done = in_a_new_process(option, code="print('|', *sys.modules)")
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.rpartition("|")[2].split())
    assert "pipeline.cli" in imported
    assert not imported & HEAVY
    assert not {name for name in imported if name.startswith("settings")}


@pytest.mark.parametrize(("side", "other"), [("web", "signer"), ("signer", "web")])
def test_migrating_a_side_imports_nothing_of_the_other(ready: Path, side: str, other: str) -> None:
    done = in_a_new_process(
        "migrate", "--config", str(ready / side), code="print('|', *sys.modules)"
    )
    imported = set(done.stdout.rpartition("|")[2].split())
    assert f"pipeline.{side}.tables" in imported
    assert not imported & {f"pipeline.{other}", f"settings.{other}"}


def test_help_lists_every_command(capsys: Output) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, (_, sentence) in COMMANDS.items():
        assert f"{name} " in shown
        assert sentence in shown


def walk(command: click.Command, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    found = [path]
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        found += walk(inner, (*path, name))
    return found


def test_every_command_explains_itself(capsys: Output) -> None:
    commands = walk(cli.cli, ())
    assert ("policy", "explain") in commands
    assert ("run", "signer-clock") in commands
    for path in commands:
        assert main([*path, "--help"]) == 0
        said = capsys.readouterr().out
        assert "Usage: httpca" in said
        assert "..." not in said.partition("Commands:")[2], "a sentence is cut off"


def test_the_version_is_shown(capsys: Output) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("httpca ")


# --- the edge ------------------------------------------------------------------------------------


def failing(error: BaseException) -> Callable[[], None]:
    def callback() -> None:
        raise error

    return callback


def run_failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    command = click.Command("fail", callback=failing(error))

    def get_command(*_: object) -> click.Command:
        return command

    monkeypatch.setattr(LazyGroup, "get_command", get_command)
    return main(["fail"])


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (HttpcaError("it is so"), 1, "Error: it is so"),
        (SettingsError("a/settings.toml", "http.port", "is no port"), 1, "http.port: is no port"),
        (BrokerUnavailable("the broker is gone"), 1, "Error: the broker is gone"),
        (PermissionError(13, "Permission denied", "some/file"), 1, "some/file: Permission denied"),
        (OperationalError("SELECT", {}, Exception("no such host")), 1, "no such host"),
        (KeyboardInterrupt(), 1, "Error: interrupted"),
        (click.UsageError("say which"), 2, "Error: say which"),
    ],
)
def test_an_expected_error_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
    error: BaseException,
    code: int,
    sentence: str,
) -> None:
    assert run_failing(monkeypatch, error) == code
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_a_defect_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        run_failing(monkeypatch, ZeroDivisionError())


@pytest.mark.parametrize("code", range(6))
def test_a_command_chooses_its_exit_code(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    assert run_failing(monkeypatch, click.exceptions.Exit(code)) == code


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["migrate"],
        ["setup"],
        ["run", "nothing", "--config", "x"],
        ["requests", "show", "no-id", "--config", "x"],
        ["requests", "reject", ID, "--config", "x"],
        ["policy", "explain", "x"],
        ["policy", "explain", "x", "--policy", "y", "--config", "z"],
        ["dev", "--port", "0"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: Output) -> None:
    assert main(arguments) == 2
    assert "Usage: httpca" in capsys.readouterr().err


# --- setup and migrate ---------------------------------------------------------------------------


def test_setup_says_what_comes_next(tmp_path: Path, capsys: Output) -> None:
    where = str(tmp_path / "ca")
    assert main(["setup", where, "--broker", "amqp://mq/", "--approver", "alice"]) == 0
    shown = capsys.readouterr().out
    assert f"httpca migrate --config {where}/web" in shown
    assert "approvers/alice/" in shown
    assert "honcho start" in shown


def test_setup_refuses_a_folder_with_content(ready: Path, capsys: Output) -> None:
    assert main(["setup", str(ready)]) == 1
    assert f"{ready}: there is something here already" in capsys.readouterr().err


def test_migrate_says_what_it_did(tmp_path: Path, capsys: Output) -> None:
    assert main(["setup", str(tmp_path / "ca"), "--json"]) == 0
    assert as_json(capsys)["approvers"] == ["approver"]
    arguments = ["migrate", "--config", str(tmp_path / "ca" / "web"), "--json"]
    assert main(arguments) == 0
    assert as_json(capsys)["before"] is None
    assert main(arguments) == 0
    done = as_json(capsys)
    assert done["before"] == done["after"] == "web_0001"
    assert done["side"] == "web"


def test_migrate_obeys_the_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert main(["setup", str(tmp_path / "ca")]) == 0
    monkeypatch.setenv("HTTPCA_SIGNER_DATABASE", f"sqlite:///{tmp_path}/elsewhere.db")
    assert main(["migrate", "--config", str(tmp_path / "ca" / "signer")]) == 0
    assert (tmp_path / "elsewhere.db").exists()
    assert not list((tmp_path / "ca" / "signer" / "data").iterdir())
    assert "elsewhere.db" in capsys.readouterr().out


def test_migrate_works_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["setup", "ca"]) == 0
    assert main(["migrate", "--config", "ca/web"]) == 0
    assert (tmp_path / "ca" / "web" / "data" / "web.db").exists()
    assert "web_0001" in capsys.readouterr().out


def test_migrate_refuses_a_folder_without_a_database(ready: Path, capsys: Output) -> None:
    assert main(["migrate", "--config", str(ready / "approvers" / "approver")]) == 1
    assert "only web, signer and owner have a database" in capsys.readouterr().err
    assert main(["migrate", "--config", str(ready / "nowhere")]) == 1
    assert "`httpca setup` makes it" in capsys.readouterr().err


def test_without_migrations_a_command_names_the_remedy(tmp_path: Path, capsys: Output) -> None:
    assert main(["setup", str(tmp_path / "ca")]) == 0
    signer = str(tmp_path / "ca" / "signer")
    assert main(["requests", "list", "--config", signer]) == 1
    assert f"run httpca migrate --config {signer}" in capsys.readouterr().err


# --- run -----------------------------------------------------------------------------------------

PROCESSES = ["web", "web-worker", "web-clock", "signer-worker", "signer-clock"]


class Called:
    """Stands in for a module of ``pipeline.run``."""

    def __init__(self) -> None:
        self.arguments: tuple[object, ...] = ()

    def main(self, *arguments: object) -> int:
        self.arguments = arguments
        return 0


@pytest.mark.parametrize("process", PROCESSES)
def test_run_calls_the_process(monkeypatch: pytest.MonkeyPatch, process: str) -> None:
    called = Called()
    monkeypatch.setitem(sys.modules, f"pipeline.run.{process.replace('-', '_')}", called)
    monkeypatch.setenv("PORT", "5100")
    assert main(["run", process, "--config", "some/folder"]) == 0
    port = (5100,) if process == "web" else ()
    assert called.arguments == (Path("some/folder"), *port)


@pytest.mark.parametrize(
    ("variable", "option", "port"),
    [("5100", ["--port", "8123"], 8123), ("5100", [], 5100), (None, [], None)],
)
def test_the_port_of_the_command_line_counts_more_than_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, option: list[str], port: int | None
) -> None:
    called = Called()
    monkeypatch.setitem(sys.modules, "pipeline.run.web", called)
    monkeypatch.delenv("PORT", raising=False)
    if variable is not None:
        monkeypatch.setenv("PORT", variable)
    assert main(["run", "web", "--config", "some/folder", *option]) == 0
    assert called.arguments == (Path("some/folder"), port)


# --- tokens --------------------------------------------------------------------------------------


def test_a_token_is_made_listed_and_revoked(home: Path, capsys: Output) -> None:
    config = ["--config", str(home / "web")]
    capsys.readouterr()
    assert main(["token", "create", "ci", *config]) == 0
    made = capsys.readouterr()
    assert made.out.startswith("httpca_")
    assert len(made.out.split()) == 1
    assert "shown once" in made.err
    database = open_database(load_http(home / "web").database)
    known, hashed = tokens.Known(database, now), tokens.digest(made.out.strip())
    assert known.requester(hashed) == "ci"
    assert main(["token", "list", "--json", *config]) == 0
    [listed] = as_json(capsys)["tokens"]
    assert (listed["name"], listed["revoked_at"]) == ("ci", None)
    assert main(["token", "revoke", "ci", *config]) == 0
    assert known.requester(hashed) is None  # also where it was good a moment ago
    database.dispose()
    assert "revoked" in capsys.readouterr().out
    assert main(["token", "list", *config]) == 0
    assert "revoked" in capsys.readouterr().out


def test_an_unknown_token_is_exit_code_3(ready: Path, capsys: Output) -> None:
    assert main(["token", "revoke", "nobody", "--config", str(ready / "web")]) == 3
    assert "there is no token 'nobody'" in capsys.readouterr().err


def test_tokens_are_no_matter_of_the_signer_side(ready: Path, capsys: Output) -> None:
    assert main(["token", "list", "--config", str(ready / "signer")]) == 1
    assert "this process is of role 'web'" in capsys.readouterr().err


# --- policy --------------------------------------------------------------------------------------


@pytest.fixture
def csr(tmp_path: Path) -> str:
    file = tmp_path / "csr.pem"
    file.write_bytes(openssl_csr(names=("DNS:www.example.test",)))
    return str(file)


def test_a_right_policy_is_said_to_be_right(ready: Path, capsys: Output) -> None:
    file = str(ready / "signer" / "policy.toml")
    assert main(["policy", "check", file]) == 0
    assert "is right: profiles server, client" in capsys.readouterr().out
    assert main(["policy", "check", file, "--json"]) == 0
    shipped = ["server", "client", "server-client", "email", "spiffe"]
    assert as_json(capsys)["profiles"] == shipped


def test_a_wrong_policy_is_refused_with_the_place(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[profiles.server]\n\n[[rules]]\nname = "x"\naction = "perhaps"\n')
    assert main(["policy", "check", str(file)]) == 1
    assert "rules[0].action (line 5)" in capsys.readouterr().err


def test_a_policy_is_explained_without_a_database(ready: Path, csr: str, capsys: Output) -> None:
    arguments = ["policy", "explain", csr, "--config", str(ready / "signer")]
    assert main(arguments) == 0
    assert "It would be signed at once, by the rule" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    found = as_json(capsys)
    assert found["action"] == "sign"
    assert found["csr"]["names"] == ["DNS:www.example.test"]
    assert [trial["matched"] for trial in found["tried"]] == [False, True]


def test_an_explanation_says_why_a_rule_does_not_match(
    ready: Path, tmp_path: Path, capsys: Output
) -> None:
    file = tmp_path / "csr.pem"
    file.write_bytes(openssl_csr(names=("DNS:www.example.com",)))
    policy = str(ready / "signer" / "policy.toml")
    assert main(["policy", "explain", str(file), "--policy", policy]) == 0
    shown = capsys.readouterr().out
    assert "www.example.com is not among every_name: *.test" in shown
    assert "It would wait for an approver, since no rule matches." in shown
    assert main(["policy", "explain", str(file), "--policy", policy, "--profile", "vpn"]) == 0
    assert "It would be rejected, before any rule" in capsys.readouterr().out


def test_what_is_no_csr_is_exit_code_1(ready: Path, capsys: Output) -> None:
    config = str(ready / "signer")
    assert main(["policy", "explain", f"{config}/message.pem", "--config", config]) == 1
    assert "What you sent is a certificate, not a CSR" in capsys.readouterr().err
    assert main(["policy", "explain", f"{config}/nothing", "--config", config]) == 1
    assert f"{config}/nothing: No such file" in capsys.readouterr().err


# --- requests and signer -------------------------------------------------------------------------


def test_operators_list_show_and_retry(home: Path, capsys: Output) -> None:
    put_failed(home / "signer")
    config = ["--config", str(home / "signer")]
    capsys.readouterr()
    assert main(["requests", "list", *config]) == 0
    assert f"{ID}  failed" in capsys.readouterr().out
    assert main(["requests", "list", "--state", "issued", "--json", *config]) == 0
    assert as_json(capsys) == {"requests": [], "counts": {"failed": 1}, "policy": None}
    assert main(["requests", "show", ID, *config]) == 0
    assert "DNS:www.example.test" in capsys.readouterr().out
    assert main(["requests", "retry", ID, *config]) == 0
    assert main(["requests", "retry", ID, *config]) == 1
    assert "only failed ones are retried" in capsys.readouterr().err
    assert main(["requests", "reject", ID, "--reason", "no", *config]) == 0
    capsys.readouterr()
    assert main(["requests", "show", ID, "--json", *config]) == 0
    found = as_json(capsys)
    assert found["request"]["state"] == "rejected"
    assert found["names"] == ["DNS:www.example.test"]
    assert found["audit"][-1]["details"]["operator"]


@pytest.mark.parametrize("words", [["show"], ["retry"], ["reject", "--reason", "no"]])
def test_an_unknown_request_is_exit_code_3(ready: Path, words: list[str], capsys: Output) -> None:
    config = ["--config", str(ready / "signer")]
    assert main(["requests", *words, UNKNOWN, *config]) == 3
    assert f"the signer knows no request {UNKNOWN}" in capsys.readouterr().err


def test_what_a_requester_wrote_cannot_steer_the_terminal(home: Path, capsys: Output) -> None:
    put_failed(home / "signer", comment="\x1b[2Jhello\u202e")
    for option in ([], ["--json"]):
        assert main(["requests", "show", ID, "--config", str(home / "signer"), *option]) == 0
        shown = capsys.readouterr().out
        assert "hello" in shown
        assert not {"\x1b", "\u202e"} & set(shown)


def test_signing_is_suspended_and_resumed(home: Path, capsys: Output) -> None:
    config = ["--config", str(home / "signer"), "--json"]
    capsys.readouterr()
    for verb, changed in (("suspend", True), ("suspend", False), ("resume", True)):
        assert main(["signer", verb, *config]) == 0
        assert as_json(capsys) == {"suspended": verb == "suspend", "changed": changed}


def test_signing_stays_suspended_after_an_export_that_breaks_off(
    home: Path, tmp_path: Path, capsys: Output
) -> None:
    held, config = tmp_path / "held.jsonl", ["--config", str(home / "signer")]
    assert main(["signer", "suspend", *config]) == 0
    held.touch()
    assert main(["signer", "reconcile", str(held), *config]) == 1
    assert "has 0 lines without the line that ends it" in capsys.readouterr().err
    held.write_text('{"end": 0}\n')
    assert main(["signer", "reconcile", str(held), *config]) == 0
    assert "Signing goes on." in capsys.readouterr().out


def test_the_audit_names_the_user_behind_sudo(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("SUDO_USER", "operator")
    put_failed(home / "signer")
    config = ["--config", str(home / "signer")]
    assert main(["requests", "retry", ID, *config]) == 0
    capsys.readouterr()
    assert main(["requests", "show", ID, "--json", *config]) == 0
    operator = as_json(capsys)["audit"][-1]["details"]["operator"]
    assert operator.endswith("(sudo by operator)")


def test_the_database_out_of_reach_is_a_sentence(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    url = "postgresql+psycopg://signer:hush@127.0.0.1:1/signer"
    monkeypatch.setenv("HTTPCA_SIGNER_DATABASE", url)
    assert main(["requests", "list", "--config", str(ready / "signer")]) == 1
    shown = capsys.readouterr().err
    assert "the database cannot be used" in shown
    assert "hush" not in shown
    assert "Traceback" not in shown


def test_a_closed_pipe_is_no_traceback(ready: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = "import sys; from pipeline.cli import main; sys.exit(main(sys.argv[1:]))"
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-c", program, "requests", "list", "--config", ready / "signer"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            check=False,
            cwd=Path(cli.__file__).parent.parent,
        )
    assert b"Traceback" not in done.stderr


def test_an_approver_s_decisions_are_listed_with_what_came_of_each(
    home: Path, capsys: Output
) -> None:
    put_failed(home / "signer")
    database = open_database(load_signer(home / "signer").database)
    row = {"request_id": ID, "approver": "alice", "reason": "", "decided_at": NOW, "token": b""}
    rows = [
        {**row, "id": "1", "verdict": "accept", "effect": "counted", "received_at": NOW},
        {
            **row,
            "id": "2",
            "request_id": UNKNOWN,
            "verdict": "reject",
            "effect": "unknown-request",
            "reason": "\x1b[2Jno",
            "received_at": NOW + timedelta(seconds=1),
        },
        {**row, "id": "3", "approver": "bob", "verdict": "accept", "effect": "late"}
        | {"received_at": NOW},
    ]
    with database.write() as connection:
        connection.execute(insert(decisions), rows)
    database.dispose()
    config = ["--config", str(home / "signer")]

    capsys.readouterr()
    assert main(["requests", "decisions", "--by", "alice", *config]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert UNKNOWN in lines[0]
    assert "unknown-request  unknown  \\x1b[2Jno" in lines[0]
    assert f"{ID}  accept  counted" in lines[1]
    assert lines[2] == "All decisions of alice: 1 counted, 1 unknown-request."

    assert main(["requests", "decisions", "--by", "alice", "--json", *config]) == 0
    found = as_json(capsys)["decisions"]
    assert [(one["id"], one["state"]) for one in found] == [("2", None), ("1", "failed")]
    assert main(["requests", "decisions", "--by", "carol", *config]) == 0
    assert capsys.readouterr().out == "carol has decided nothing.\n"
