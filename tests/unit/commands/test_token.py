"""`httpca token`: tokens are made, listed and revoked, on the web side alone."""

from pathlib import Path

from pipeline.cli import main
from pipeline.clock import now
from pipeline.database.engine import open_database
from pipeline.web import tokens
from settings.web import load_http
from tests.unit.commands.output import Output, as_json


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
