"""`httpca ca`: an issuing CA below somebody else's root, in a file or a token, and an existing one."""

import json
import shlex
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.cli import main
from pipeline.clock import now
from pipeline.run.signer_side import load_issuers
from pipeline.setup.ca import make_issuing, make_root
from pipeline.signer.keys import file as key_file
from pipeline.signer.keys.module import module_at
from settings.signer import load_signer
from tests.factories import key, new_serial, openssl
from tests.servers import SoftHsm
from tests.servers.softhsm import MODULE, PIN

Output = pytest.CaptureFixture[str]
ROOT_KEY = key("ec:P-384")


@pytest.fixture
def signer(tmp_path: Path) -> Path:
    """The signer's folder as `httpca setup` makes it."""
    assert main(["setup", str(tmp_path / "ca")]) == 0
    return tmp_path / "ca" / "signer"


@pytest.fixture
def token(softhsm: SoftHsm) -> Iterator[str]:
    """The label of a token."""
    softhsm.add("external")
    module_at(MODULE).begin_anew()
    yield "external"
    softhsm.remove("external")
    module_at(MODULE).begin_anew()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root that is not ours."""
    file = tmp_path / "root.pem"
    made = make_root(ROOT_KEY, "Somebody's Root", now() - timedelta(days=1), new_serial())
    file.write_bytes(made.public_bytes(Encoding.PEM))
    return file


def ca(*arguments: object, signer: Path) -> int:
    return main(["ca", *map(str, arguments), "--config", str(signer)])


def sign(csr: Path, root: Path, **different: Any) -> Path:
    """Do as the root's owner does; return the certificate's file."""
    asked = x509.load_pem_x509_csr(csr.read_bytes())
    public_key: Any = different.pop("public_key", None) or asked.public_key()
    moment = now() - timedelta(hours=1)
    parent = x509.load_pem_x509_certificate(root.read_bytes())
    made = make_issuing(
        public_key, "External Issuing", parent, ROOT_KEY, moment, new_serial(), **different
    )
    file = root.with_name("signed.pem")
    file.write_bytes(made.public_bytes(Encoding.PEM))
    return file


def list_what_was_printed(signer: Path, printed: str) -> None:
    """Do as the sentence says: add the tables to the settings."""
    settings = signer / "settings.toml"
    tables = printed[printed.index("\n[[issuers]]") :]
    settings.write_text(settings.read_text("utf-8") + tables)


def names(signer: Path, capsys: Output) -> list[str]:
    capsys.readouterr()
    assert ca("check", "--json", signer=signer) == 0
    found: list[str] = json.loads(capsys.readouterr().out)["issuers"]
    return found


def test_an_issuing_ca_below_somebody_elses_root(signer: Path, root: Path, capsys: Output) -> None:
    assert ca("request", "next", "--subject", "CN=Next,O=Example", signer=signer) == 0
    csr = signer / "ca/next.csr"
    assert str(csr) in capsys.readouterr().out
    shown = openssl("req", "-in", str(csr), "-noout", "-text", "-verify")
    assert b"CN = Next" in shown
    assert b"CA:TRUE, pathlen:0" in shown
    assert b"Certificate Sign, CRL Sign" in shown

    assert ca("import", "next", sign(csr, root), "--root", root, signer=signer) == 0
    list_what_was_printed(signer, capsys.readouterr().out)

    assert names(signer, capsys) == ["issuing", "next"]
    assert ca("list", signer=signer) == 0
    assert "next: CN=External Issuing, ec:P-256, until 20" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["ec:P-256", "ec:P-384", "rsa:2048"])
def test_its_key_may_be_made_in_a_token(
    signer: Path, root: Path, token: str, kind: str, capsys: Output
) -> None:
    pin = signer / "pin"
    pin.write_text(PIN)
    uri = SoftHsm.uri(token, "next")
    options = ("--token", uri, "--key", kind, "--passphrase", f"file:{pin}")
    assert ca("request", "next", "--subject", "CN=Next", *options, signer=signer) == 0
    advice = capsys.readouterr().out.splitlines()[-1].strip()
    csr = signer / "ca/next.csr"
    openssl("req", "-in", str(csr), "-noout", "-verify")
    signed = sign(csr, root)
    told = shlex.split(advice.replace("CERTIFICATE", str(signed)).replace("ROOT", str(root)))
    assert main(told[1:]) == 0
    list_what_was_printed(signer, capsys.readouterr().out)

    assert names(signer, capsys) == ["issuing", "next"]
    assert not (signer / "ca/next.key").exists()


def test_setup_makes_the_issuing_key_in_a_token(tmp_path: Path, token: str, capsys: Output) -> None:
    (tmp_path / "pin").write_text(PIN)
    home, uri = tmp_path / "in-token", SoftHsm.uri(token, "issuing")
    options = ["--ca-token", uri, "--pin-file", str(tmp_path / "pin"), "--ca-key", "ec:P-384"]
    assert main(["setup", str(home), *options]) == 0
    assert names(home / "signer", capsys) == ["issuing"]
    (issuer,) = load_issuers(load_signer(home / "signer"), home / "signer", now, signs=True).all()
    assert issuer.kind == "ec:P-384"
    assert not (home / "signer/ca/issuing.key").exists()
    assert PIN not in (home / "signer/settings.toml").read_text()


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_an_existing_ca_is_brought_in_with_its_key(
    signer: Path, root: Path, tmp_path: Path, passphrase: str | None, capsys: Output
) -> None:
    secret = passphrase.encode() if passphrase else None
    key_file.save(tmp_path / "old.key", key("rsa:2048"), secret)
    (tmp_path / "old.pass").write_text(passphrase or "")
    assert ca("request", "any", "--subject", "CN=Any", signer=signer) == 0
    signed = sign(signer / "ca/any.csr", root, public_key=key("rsa:2048").public_key)
    options = ["--key", tmp_path / "old.key"]
    if passphrase:
        options += ["--passphrase", f"file:{tmp_path / 'old.pass'}"]
    capsys.readouterr()
    assert ca("import", "old", signed, "--root", root, *options, signer=signer) == 0
    printed = capsys.readouterr().out
    list_what_was_printed(signer, printed)
    (tmp_path / "old.key").unlink()

    assert names(signer, capsys) == ["issuing", "old"]
    assert (signer / "ca/old.key").stat().st_mode & 0o777 == 0o600
    assert "correct horse" not in printed


def certificate_of_another_key(csr: Path, root: Path) -> Path:
    return sign(csr, root, public_key=key("ed25519").public_key)


def certificate_that_is_over(csr: Path, root: Path) -> Path:
    return sign(csr, root, lifetime=timedelta(minutes=1))


def certificate_of_no_ca(csr: Path, root: Path) -> Path:
    asked = x509.load_pem_x509_csr(csr.read_bytes())
    parent = x509.load_pem_x509_certificate(root.read_bytes())
    made = (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(parent.subject)
        .public_key(asked.public_key())
        .serial_number(new_serial())
        .not_valid_before(now() - timedelta(hours=1))
        .not_valid_after(now() + timedelta(days=30))
        .sign(ROOT_KEY.private_key, ROOT_KEY.signature_hash)
    )
    file = root.with_name("signed.pem")
    file.write_bytes(made.public_bytes(Encoding.PEM))
    return file


def root_that_allows_none(csr: Path, root: Path) -> Path:
    made = make_root(
        ROOT_KEY, "Somebody's Root", now() - timedelta(days=1), new_serial(), path_length=0
    )
    root.write_bytes(made.public_bytes(Encoding.PEM))
    return sign(csr, root)


def root_of_another(csr: Path, root: Path) -> Path:
    signed = sign(csr, root)
    made = make_root(key("ec:P-256"), "Somebody's Root", now(), new_serial())
    root.write_bytes(made.public_bytes(Encoding.PEM))
    return signed


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (certificate_of_another_key, "does not belong to the CA key"),
        (certificate_that_is_over, "which is not now"),
        (certificate_of_no_ca, "is not the certificate of a CA"),
        (root_that_allows_none, "allows 0 CAs below it, and 1 are there"),
        (root_of_another, "was not issued by"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    signer: Path,
    root: Path,
    spoil: Callable[[Path, Path], Path],
    problem: str,
    capsys: Output,
) -> None:
    assert ca("request", "next", "--subject", "CN=Next", signer=signer) == 0
    before = sorted((signer / "ca").iterdir())
    spoilt = spoil(signer / "ca/next.csr", root)
    assert ca("import", "next", spoilt, "--root", root, signer=signer) == 1
    assert problem in capsys.readouterr().err
    assert sorted((signer / "ca").iterdir()) == before


def test_nothing_is_overwritten(signer: Path, root: Path, capsys: Output) -> None:
    assert ca("request", "next", "--subject", "CN=Next", signer=signer) == 0
    kept = (signer / "ca/next.key").read_bytes()
    assert ca("request", "next", "--subject", "CN=Next", signer=signer) == 1
    assert "is there already; choose another name" in capsys.readouterr().err
    (signer / "ca/next.csr").rename(root.with_name("next.csr"))
    assert ca("request", "next", "--subject", "CN=Next", signer=signer) == 1
    assert "there is a key already" in capsys.readouterr().err
    assert (signer / "ca/next.key").read_bytes() == kept
    signed = sign(root.with_name("next.csr"), root)
    for code in (0, 1):
        assert ca("import", "next", signed, "--root", root, signer=signer) == code
    assert "next.pem: is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["request", "Big", "--subject", "CN=N"], 1, "'Big': is no name for an issuing CA"),
        (["request", "n", "--subject", "N"], 2, "is no name as in RFC 4514"),
        (["request", "n", "--subject", ""], 2, "is no name as in RFC 4514"),
        (["request", "n", "--subject", "CN=N,C=ÄÖ"], 2, "is no name as in RFC 4514"),
        (["request", "n", "--subject", "CN=N", "--key", "dsa"], 1, "'dsa' is not a kind of CA key"),
        (["request", "n", "--subject", "CN=N", "--token", "x"], 1, "is written as pkcs11:token="),
        (["request", "n", "--subject", "CN=N", "--passphrase", "geheim"], 2, "allowed are file:PA"),
    ],
)
def test_wrong_options_are_refused_with_what_is_right(
    signer: Path, arguments: list[str], code: int, problem: str, capsys: Output
) -> None:
    assert ca(*arguments, signer=signer) == code
    assert problem in capsys.readouterr().err
    assert not (signer / "ca/n.key").exists()


ONE = {"name": "one", "certificate": "c", "root": "r", "key": "k"}
TWO = {**ONE, "name": "two"}
WRONG_SETTINGS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({**ONE, "name": "Big"}, TWO, "issuers[0].name: 'Big' is no name"),
    (ONE, ONE, "issuers[1].name: 'one' is used twice"),
    (ONE, {**TWO, "passphrase": "geheim"}, "issuers[1].passphrase: is not where a passphrase can"),
    ({**ONE, "retiring": True}, {**TWO, "retiring": True}, "issuers: all of them are retiring"),
    (ONE, {**TWO, "colour": "red"}, "colour: there is no such setting; there are: name, certif"),
    (ONE, {**TWO, "retiring": 3}, "retiring: must be true or false"),
    (ONE, {"name": "two"}, "certificate: is missing"),
]


@pytest.mark.parametrize(("first", "second", "problem"), WRONG_SETTINGS)
def test_wrong_tables_are_refused_with_what_is_right(
    signer: Path, first: dict[str, Any], second: dict[str, Any], problem: str, capsys: Output
) -> None:
    with (signer / "settings.toml").open("a") as settings:
        for table in (first, second):
            lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()]
            settings.write("\n".join(["\n[[issuers]]", *lines, ""]))
    assert ca("list", signer=signer) == 1
    shown = capsys.readouterr().err
    assert problem in shown
    assert "geheim" not in shown
