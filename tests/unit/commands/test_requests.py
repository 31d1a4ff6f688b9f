"""`httpca requests` and `httpca signer`: what operators see, and do."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from pipeline.cli import main
from pipeline.database.engine import open_database
from pipeline.signer.operate import suspend_after_restore
from pipeline.signer.tables import decisions
from settings.signer import load_signer
from tests.factories import NOW
from tests.unit.commands.failed import ID, UNKNOWN, put_failed
from tests.unit.commands.output import Output, as_json


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
    database = open_database(load_signer(home / "signer").database)
    suspend_after_restore(database, "a test says", NOW)
    database.dispose()
    held.touch()
    assert main(["signer", "reconcile", str(held), *config]) == 1
    assert "has 0 lines without the line that ends it" in capsys.readouterr().err
    held.write_text('{"end": 0}\n')
    assert main(["signer", "reconcile", str(held), *config]) == 0
    assert "Signing goes on." in capsys.readouterr().out

    assert main(["signer", "suspend", *config]) == 0
    assert main(["signer", "reconcile", str(held), *config]) == 0
    assert "Signing stays suspended, as an operator wanted it" in capsys.readouterr().out


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
