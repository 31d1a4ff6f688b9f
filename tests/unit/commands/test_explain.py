"""`httpca policy check` and `explain`: is a policy right, and what would it do with a CSR?"""

from pathlib import Path

import pytest

from pipeline.cli import main
from tests.factories import openssl_csr, openssl_key
from tests.unit.commands.output import Output, as_json


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


def test_a_private_key_is_not_said_to_have_left_its_owner(
    ready: Path, tmp_path: Path, capsys: Output
) -> None:
    file = tmp_path / "server.key"
    file.write_bytes(openssl_key("ec:P-256"))
    assert main(["policy", "explain", str(file), "--config", str(ready / "signer")]) == 1
    assert capsys.readouterr().err == f"Error: {file} is a private key, and no CSR\n"


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


def test_a_policy_whose_issuing_ca_is_not_there_is_refused_with_the_place(
    home: Path, csr: str, capsys: Output
) -> None:
    file = home / "signer" / "policy.toml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("[profiles.server]", '[profiles.server]\nissuer = "other"'))
    assert main(["policy", "explain", csr, "--config", str(home / "signer")]) == 1
    assert "there is no issuer 'other' that takes what is new" in capsys.readouterr().err


def test_what_would_be_no_good_certificate_is_said_not_to_be_issued(
    tmp_path: Path, csr: str, capsys: Output
) -> None:
    """It would be admitted, and then fail before it is signed."""
    file = tmp_path / "policy.toml"
    file.write_text(
        '[profiles.server]\nextended_key_usage = ["server_auth"]\nlint = ["cabf-tls"]\n'
        '[[rules]]\nname = "x"\naction = "sign"\n'
    )
    assert main(["policy", "explain", csr, "--policy", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "It could not be issued: the certificate would not be a good one: cabf." in shown
    assert "The certificate, if it were issued then" not in shown


def test_what_is_no_csr_is_exit_code_1(ready: Path, capsys: Output) -> None:
    config = str(ready / "signer")
    assert main(["policy", "explain", f"{config}/message.pem", "--config", config]) == 1
    assert "What you sent is a certificate, not a CSR" in capsys.readouterr().err
    assert main(["policy", "explain", f"{config}/nothing", "--config", config]) == 1
    assert f"{config}/nothing: No such file" in capsys.readouterr().err
