"""`httpca keys`: what an operator may name a key by, and what is said of it."""

import json
from pathlib import Path

import pytest
from sqlalchemy import insert

from pipeline.cli import main
from pipeline.crypto import csr as csrs
from pipeline.database.advance import admit
from pipeline.database.engine import open_database
from pipeline.signer import authority
from pipeline.signer.tables import certificates, ledger, submissions, tbs
from pipeline.states import State
from settings.signer import load_signer
from tests import factories
from tests.factories import NOW

Output = pytest.CaptureFixture[str]
REQUEST = "0197b3a0-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys") / "ca"
    assert main(["setup", str(directory)]) == 0
    assert main(["migrate", "--config", str(directory / "signer")]) == 0
    return directory / "signer"


def keys(home: Path, *arguments: str) -> int:
    return main(["keys", *arguments, "--config", str(home)])


def blocked(home: Path, output: Output, name: str) -> bool:
    output.readouterr()
    code = keys(home, "check", name)
    assert (code == 1) == ("None of these keys" not in output.readouterr().out)
    return code == 1


def fingerprint(kind: str) -> str:
    return csrs.read(factories.openssl_csr(kind)).key.fingerprint


def forms(kind: str) -> dict[str, bytes]:
    """Return files that an operator may have of a key, by what they are."""
    private = factories.openssl_key(kind)
    request = factories.openssl_csr(kind)
    options = ("-key", "/dev/stdin", "-x509", "-subj", "/CN=x")
    certificate = factories.openssl("req", "-new", *options, octets=private)
    public = factories.openssl("pkey", "-pubout", octets=private)
    as_der = ("-outform", "DER")
    return {
        "a CSR": request,
        "a CSR in DER": factories.openssl("req", *as_der, octets=request),
        "a certificate": certificate,
        "a certificate in DER": factories.openssl("x509", *as_der, octets=certificate),
        "a public key": public,
        "a public key in DER": factories.openssl("pkey", "-pubin", *as_der, octets=public),
        "a private key that was found": private,
        "a list": f"# of today\n\n{fingerprint(kind)}  # why\n".encode(),
        "a list in capitals": fingerprint(kind).upper().encode(),
    }


@pytest.mark.parametrize("form", forms("ec:P-256"))
def test_a_key_is_blocked_by_a_file_in_any_usual_form(
    home: Path, tmp_path: Path, capsys: Output, form: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(forms("ec:P-256")[form])
    name = fingerprint("ec:P-256")
    assert not blocked(home, capsys, name)
    assert keys(home, "block", str(file), "--reason", "Leaked") == 0
    assert blocked(home, capsys, name)
    assert keys(home, "unblock", str(file), "--reason", "A mistake") == 0
    assert not blocked(home, capsys, name)


def test_a_debian_list_is_taken_as_it_is(home: Path, tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "blacklist.RSA-2048"
    file.write_text("# openssl-blacklist\n#\n" + "".join(f"{n:020x}\n" for n in range(3000)))
    arguments = ("block", str(file), "--reason", "Debian weak key (CVE-2008-0166)", "--json")
    for added, known in ((3000, 0), (0, 3000)):
        capsys.readouterr()
        assert keys(home, *arguments) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["added"], found["known"]) == (added, known)
    assert blocked(home, capsys, f"{2999:020x}")
    assert not blocked(home, capsys, f"{3000:020x}")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "none of these keys"),
        (b"0123\n", "line 1 names no key"),
        (b"# fine\n" + b"0" * 63 + b"\n", "line 2 names no key"),
        (b"\xff\xfe", "cannot be read"),
        (b"0\x00", "cannot be read"),
        (b"\x30\x03\x02\x01\x00", "cannot be read"),
        (b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "cannot be read"),
        (factories.openssl("genrsa", "-aes256", "-passout", "pass:secret"), "cannot be read"),
    ],
)
def test_a_file_that_is_no_key_and_no_list_is_refused_whole(
    home: Path, tmp_path: Path, capsys: Output, content: bytes, why: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    assert keys(home, "unblock", str(file), "--reason", "x") == 3
    assert why in capsys.readouterr().err


def test_the_key_of_a_certificate_is_blocked_by_its_serial_number(
    home: Path, capsys: Output
) -> None:
    """Until HttpCA can revoke, this is the place for the key of a compromised certificate."""
    serial = put_certificate(home)
    for unknown in ("ff" * 20, "not-a-serial"):
        assert keys(home, "block", unknown, "--reason", "Leaked") == 3
    capsys.readouterr()
    colons = ":".join(serial[at : at + 2].upper() for at in range(0, 40, 2))
    assert keys(home, "block", colons, "--reason", "Leaked", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["serial"] for one in found["certificates"]] == [serial]
    assert blocked(home, capsys, fingerprint("ec:P-384"))
    assert keys(home, "list") == 0
    assert f"{fingerprint('ec:P-384')}  2" in capsys.readouterr().out


def test_a_key_is_blocked_with_a_reason_only(home: Path, capsys: Output) -> None:
    assert keys(home, "block", "0" * 64) == 2
    for reason in ("", " ", "a\nb", "x" * 2001):
        assert keys(home, "block", "0" * 64, "--reason", reason) == 1
    assert not blocked(home, capsys, "0" * 64)


def put_certificate(home: Path) -> str:
    """Put a certificate into the signer's database; return its serial number."""
    csr = csrs.read(factories.openssl_csr("ec:P-384"))
    issuer = factories.issuer()
    made = authority.prepare(
        csr, factories.profile(validity="50y"), issuer, NOW, factories.new_serial()
    )
    octets = authority.assemble(made.tbs, authority.sign(made.tbs, issuer))
    serial = f"{made.serial:040x}"
    common = {"request_id": REQUEST, "serial": serial, "issuer": issuer.fingerprint}
    submitted = {
        "request_id": REQUEST,
        "csr": csr.der,
        "profile_name": "server",
        "source": "api",
        "submitted_at": NOW,
        "profile": {},
        "rule": {},
        "issuer": issuer.fingerprint,
        "policy_digest": "",
        "key_fingerprint": csr.key.fingerprint,
    }
    database = open_database(load_signer(home).database)
    with database.write() as connection:
        row = {"id": REQUEST, "state": State.WAITING_FOR_SIGNATURE, "revision": 1}
        admit(connection, ledger, "policy", [{**row, "told_revision": 0, "tell_at": NOW}], NOW)
        connection.execute(insert(submissions), [submitted])
        validity = {"not_before": made.not_before, "not_after": made.not_after}
        connection.execute(
            insert(tbs), [common | validity | {"octets": made.tbs, "created_at": NOW}]
        )
        connection.execute(
            insert(certificates), [common | {"certificate": octets, "issued_at": NOW}]
        )
    database.dispose()
    return serial
