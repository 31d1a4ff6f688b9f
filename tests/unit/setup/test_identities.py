"""`httpca setup add-approver | renew | revoke | list`: who is trusted where afterwards."""

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.clock import now
from pipeline.crypto import identity
from pipeline.crypto.identity import Identity
from pipeline.crypto.trust import Trust
from pipeline.errors import MessageRefused
from settings.approver import load_approver

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("identities") / "ca"
    assert main(["setup", str(directory), "--approver", "alice"]) == 0
    return directory


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A folder of the test's own, as `httpca setup` made it."""
    return Path(shutil.copytree(made, tmp_path / "ca"))


def setup(home: Path, *arguments: str) -> int:
    return main(["setup", *arguments, "--dir", str(home)])


def identity_of(home: Path, who: str, passphrase: bytes | None = None) -> Identity:
    folder = home / who
    return identity.load(folder / "message.pem", folder / "message.key", passphrase)


def accepts(home: Path, side: str, who: Identity) -> bool:
    try:
        Trust(home / side / "trusted").accept(who.certificate.thumbprint, now())
    except MessageRefused:
        return False
    return True


def listed(home: Path, capsys: Output) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert setup(home, "list", "--json") == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["identities"]
    return found


def test_an_added_approver_is_trusted_by_the_signer_and_by_nobody_else(home: Path) -> None:
    assert setup(home, "add-approver", "bob") == 0

    bob = identity_of(home, "approvers/bob")
    assert bob.sender.uri == "urn:httpca:approver:bob"
    assert accepts(home, "signer", bob)
    assert not accepts(home, "web", bob)
    assert (home / "approvers/bob/spool").is_dir()
    alice = load_approver(home / "approvers/alice")
    mine = load_approver(home / "approvers/bob")
    assert (mine.name, mine.broker) == ("bob", alice.broker)
    assert mine.signer_database == alice.signer_database


def test_what_is_added_is_its_owner_s_alone(home: Path) -> None:
    assert setup(home, "add-approver", "bob") == 0
    assert setup(home, "renew", "web") == 0
    assert setup(home, "revoke", "bob") == 0
    for path in home.rglob("*"):
        allowed = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == allowed, path


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("alice", "there is an approver alice already: `httpca setup renew alice`"),
        ("web", "'web' means a side; choose another name"),
        ("signer", "'signer' means a side; choose another name"),
        ("Bob", "'Bob' is no name"),
        ("../bob", "'../bob' is no name"),
    ],
)
def test_a_name_that_cannot_be_added_is_refused_with_a_sentence(
    home: Path, name: str, sentence: str, capsys: Output
) -> None:
    before = sorted(home.rglob("*"))
    assert setup(home, "add-approver", name) == 1
    assert sentence in capsys.readouterr().err
    assert sorted(home.rglob("*")) == before


def test_an_approver_whose_folder_was_taken_away_is_still_known(home: Path, capsys: Output) -> None:
    shutil.rmtree(home / "approvers/alice")
    database = ("--approver-database", "sqlite:///x.db", "--approver-broker", "memory:")
    assert setup(home, "add-approver", "alice", *database) == 1
    assert "already" in capsys.readouterr().err


def test_without_another_approver_the_urls_must_be_given(home: Path, capsys: Output) -> None:
    shutil.rmtree(home / "approvers")
    assert setup(home, "add-approver", "bob") == 2
    assert "--approver-database" in capsys.readouterr().err
    assert not (home / "approvers/bob").exists()


@pytest.mark.parametrize(
    ("name", "folder", "sides"),
    [
        ("web", "web", ["web", "signer"]),
        ("signer", "signer", ["web", "signer"]),
        ("alice", "approvers/alice", ["signer"]),
    ],
)
def test_a_renewed_identity_is_trusted_beside_the_old_one_until_that_is_put_away(
    home: Path, name: str, folder: str, sides: list[str], capsys: Output
) -> None:
    old = identity_of(home, folder)

    capsys.readouterr()
    assert setup(home, "renew", name, "--json") == 0

    said = json.loads(capsys.readouterr().out)
    new = identity_of(home, folder)
    assert new.sender == old.sender
    assert new.certificate.thumbprint != old.certificate.thumbprint
    for side in sides:
        assert accepts(home, side, old)
        assert accepts(home, side, new)
    for file in said["old"]:
        Path(file).unlink()
    for side in sides:
        assert not accepts(home, side, old)
        assert accepts(home, side, new)


def test_new_certificates_are_trusted_before_the_key_is_in_place(
    home: Path, capsys: Output
) -> None:
    capsys.readouterr()
    assert setup(home, "renew", "web", "--json") == 0
    made = [Path(file).relative_to(home) for file in json.loads(capsys.readouterr().out)["made"]]
    assert [str(path.parent) for path in made] == ["web/trusted", "signer/trusted", "web", "web"]


def test_what_a_renewal_makes_for_another_host_is_said_and_lies_ready(home: Path) -> None:
    shutil.rmtree(home / "web")
    assert setup(home, "renew", "web") == 0
    web = identity_of(home, "web")
    assert accepts(home, "signer", web)
    assert accepts(home, "web", web)


def test_a_revoked_approver_is_trusted_no_more_wherever_a_copy_comes_from(home: Path) -> None:
    alice = identity_of(home, "approvers/alice")
    copy = (home / "signer/trusted/approver-alice.pem").read_bytes()

    assert setup(home, "revoke", "alice") == 0
    assert not accepts(home, "signer", alice)

    (home / "signer/trusted/approver-alice.pem").write_bytes(copy)
    assert not accepts(home, "signer", alice)
    with pytest.raises(MessageRefused, match=r"certificate-revoked \(sender: alice\)"):
        Trust(home / "signer/trusted").accept(alice.certificate.thumbprint, now())


def test_one_certificate_of_two_is_revoked_by_its_fingerprint(home: Path, capsys: Output) -> None:
    old = identity_of(home, "web")
    fingerprint = next(one for one in listed(home, capsys) if one["name"] == "web")["fingerprint"]
    assert setup(home, "renew", "web") == 0
    new = identity_of(home, "web")

    assert setup(home, "revoke", "web", "--certificate", fingerprint[:16].upper()) == 0

    for side in ("web", "signer"):
        assert not accepts(home, side, old)
        assert accepts(home, side, new)


@pytest.mark.parametrize(
    "arguments",
    [("revoke", "carol"), ("revoke", "alice", "--certificate", "0"), ("renew", "carol")],
)
def test_who_is_not_there_is_neither_revoked_nor_renewed(
    home: Path, arguments: tuple[str, ...], capsys: Output
) -> None:
    if arguments[-1] == "0":  # a fingerprint that certainly is not alice's
        real = next(one for one in listed(home, capsys) if one["name"] == "alice")["fingerprint"]
        arguments = (*arguments[:-1], "1" if real[0] == "0" else "0")
    before = sorted(home.rglob("*"))
    assert setup(home, *arguments) == 1
    assert arguments[1] in capsys.readouterr().err
    assert sorted(home.rglob("*")) == before


def test_the_list_says_who_is_trusted_where(home: Path, capsys: Output) -> None:
    assert setup(home, "add-approver", "bob") == 0
    assert setup(home, "renew", "web") == 0
    assert setup(home, "revoke", "alice") == 0

    found = {
        (one["name"], one["in_use"]): (one["trusted"], one["revoked"])
        for one in listed(home, capsys)
    }

    both: tuple[list[str], list[str]] = (["web", "signer"], [])
    assert found == {
        ("signer", True): both,
        ("web", False): both,
        ("web", True): both,
        ("alice", True): ([], ["signer"]),
        ("bob", True): (["signer"], []),
    }
    assert setup(home, "list") == 0
    text = capsys.readouterr().out
    assert "revoked for signer" in text
    assert "364 days left" in text


def test_without_the_message_ca_s_key_nothing_is_made_and_the_reason_is_said(
    home: Path, capsys: Output
) -> None:
    shutil.rmtree(home / "setup")
    before = sorted(home.rglob("*"))
    for arguments in (("add-approver", "bob"), ("renew", "web")):
        assert setup(home, *arguments) == 1
        assert "bring back the folder setup/" in capsys.readouterr().err
    assert sorted(home.rglob("*")) == before
    assert setup(home, "revoke", "alice") == 0  # which needs no key


def test_encrypted_keys_are_made_and_read_with_their_passphrases(
    tmp_path: Path, capsys: Output
) -> None:
    home = tmp_path / "ca"
    (tmp_path / "ca.pass").write_text("of the message CA\n")
    (tmp_path / "key.pass").write_text("of the message key\n")
    authority = ("--passphrase-file", str(tmp_path / "ca.pass"))
    key = ("--key-passphrase-file", str(tmp_path / "key.pass"))
    assert main(["setup", str(home), *authority]) == 0

    assert setup(home, "renew", "web") == 1
    assert "message CA's key is encrypted; see --passphrase-file" in capsys.readouterr().err
    assert setup(home, "renew", "web", *authority, *key) == 0
    assert accepts(home, "web", identity_of(home, "web", b"of the message key"))
    assert setup(home, "renew", "web", *authority) == 1
    assert "give --key-passphrase-file" in capsys.readouterr().err
    assert setup(home, "add-approver", "bob", "--passphrase-file", key[1]) == 1
    assert "passphrase of the message CA's key is wrong" in capsys.readouterr().err


def test_a_directory_may_be_set_up_with_its_options_first_and_a_verb_is_no_directory(
    tmp_path: Path, capsys: Output
) -> None:
    assert main(["setup", "--ca-key", "ed25519", str(tmp_path / "a")]) == 0
    assert main(["setup", "new", str(tmp_path / "b")]) == 0
    assert (tmp_path / "a/web").is_dir()
    assert (tmp_path / "b/web").is_dir()
    assert main(["setup", str(tmp_path / "c"), "--approver", "web"]) == 1
    assert "means a side" in capsys.readouterr().err
