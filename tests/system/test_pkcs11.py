"""The whole pipeline with CA keys that never leave their token: RSA, P-256 and P-384 at once."""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pkcs11
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkcs11 import Attribute, ObjectClass

from pipeline.clock import now
from pipeline.crypto import public_keys
from pipeline.setup.ca import make_issuing
from pipeline.signer.keys import file as key_file
from tests import factories
from tests.servers import PostgreSQL, RabbitMQ, SoftHsm
from tests.servers.softhsm import MODULE, PIN
from tests.system.installation import Installation, done, httpca

ISSUERS: Final = {
    "server": ("issuing", "ec:P-256"),
    "client": ("next", "ec:P-384"),
    "other": ("third", "rsa:2048"),
}
"""The issuing CA of each profile, and the kind of its key."""

NOT_FOR_EVER: Final = 120.0
"""Seconds; against hanging only."""

WORKERS: Final = {"signer-worker.1", "signer-worker.2"}


@pytest.fixture(scope="module")
def hsm(softhsm: SoftHsm) -> Iterator[SoftHsm]:
    """A token for the issuing CAs."""
    softhsm.add("system")
    yield softhsm
    softhsm.remove("system")


@pytest.fixture(scope="module")
def running(hsm: SoftHsm, rabbitmq: RabbitMQ, postgresql: PostgreSQL) -> Iterator[Installation]:
    """HttpCA with three issuing CAs in the token, and two signer workers."""
    with tempfile.TemporaryDirectory(prefix="httpca-token-") as folder:
        pin = Path(folder) / "pin"
        pin.write_text(PIN)
        in_token = ("--ca-token", hsm.uri("system", "issuing"), "--pin-file", str(pin))
        made = Installation(Path(folder) / "httpca", rabbitmq, postgresql, in_token)
        try:
            for name, kind in list(ISSUERS.values())[1:]:
                bring_in(made, hsm, name, kind, pin)
            use_all(made)
            made.start("signer-worker=2")
            yield made
        finally:
            made.remove()


def bring_in(made: Installation, hsm: SoftHsm, name: str, kind: str, pin: Path) -> None:
    """Make an issuing CA's key in the token, and let the root, wherever that is, sign its CSR."""
    signer, offline = made.directory / "signer", made.directory / "setup"
    config = ("--config", signer)
    key = ("--token", hsm.uri("system", name), "--key", kind, "--passphrase", f"file:{pin}")
    done(httpca("ca", "request", name, "--subject", f"CN={name}", *key, *config))

    root = x509.load_pem_x509_certificate((offline / "root.pem").read_bytes())
    csr = x509.load_pem_x509_csr((signer / f"ca/{name}.csr").read_bytes())
    public_key: Any = csr.public_key()
    root_key = key_file.load(offline / "root.key", None)
    signed = make_issuing(public_key, name, root, root_key, now(), factories.new_serial())
    certificate = made.directory.with_name(f"{name}.pem")
    certificate.write_bytes(signed.public_bytes(Encoding.PEM))

    given = ("--root", offline / "root.pem", "--key", key[1], *key[-2:])
    printed = done(httpca("ca", "import", name, certificate, *given, *config))
    with (signer / "settings.toml").open("a") as settings:
        settings.write("\n" + printed[printed.index("[[issuers]]") :])


def use_all(made: Installation) -> None:
    policy = made.directory / "signer/policy.toml"
    text = policy.read_text("utf-8").replace(
        "[profiles.client]",
        '[profiles.other]\nissuer = "third"\n\n[profiles.client]\nissuer = "next"',
    )
    policy.write_text(text)
    done(httpca("policy", "check", policy, "--config", made.directory / "signer"))
    settings = made.directory / "web/settings.toml"
    listed = settings.read_text("utf-8").replace(
        'profiles = ["server", ', 'profiles = ["other", "server", '
    )
    assert '"other"' in listed
    settings.write_text(listed)


@pytest.fixture(scope="module")
def session(running: Installation) -> requests.Session:
    found = requests.Session()
    found.headers["Authorization"] = f"Bearer {running.token('clients')}"
    return found


def submit(running: Installation, session: requests.Session, profile: str, name: str) -> str:
    answer = session.post(
        f"{running.url}/api/v1/requests",
        params={"profile": profile},
        data=factories.csr(names=[f"DNS:{name}.test"]),
        headers={"Content-Type": "application/pkcs10"},
        timeout=60,
    )
    assert answer.status_code == 202, answer.text
    request_id: str = answer.json()["id"]
    return request_id


def wait(running: Installation, session: requests.Session, request_id: str) -> dict[str, Any]:
    """Wait for a certificate; return the request."""
    deadline = time.monotonic() + NOT_FOR_EVER
    url = f"{running.url}/api/v1/requests/{request_id}"
    while True:
        found: dict[str, Any] = session.get(url, headers={"Prefer": "wait=5"}, timeout=60).json()
        if found["state"] == "issued":
            return found
        assert time.monotonic() < deadline, (found, running.log_text())


def wait_for(running: Installation, event: str) -> None:
    deadline = time.monotonic() + NOT_FOR_EVER
    while not any(line["event"] == event for line in running.logged()):
        assert time.monotonic() < deadline, running.log_text()
        time.sleep(0.2)


@pytest.fixture(scope="module")
def issued(running: Installation, session: requests.Session) -> dict[str, list[dict[str, Any]]]:
    """Issue with all keys, until both workers have."""
    found: dict[str, list[dict[str, Any]]] = {profile: [] for profile in ISSUERS}
    deadline = time.monotonic() + NOT_FOR_EVER
    while not found["server"] or signed_by(running) != WORKERS:
        assert time.monotonic() < deadline, running.log_text()
        work = [(profile, f"host-{number}") for number in range(10) for profile in ISSUERS]
        with ThreadPoolExecutor(6) as clients:
            ids = list(clients.map(lambda one: submit(running, session, *one), work))
        for (profile, _), request_id in zip(work, ids, strict=True):
            found[profile].append(wait(running, session, request_id))
    return found


def signed_by(running: Installation) -> set[str]:
    lines = running.log.read_text("utf-8").splitlines()
    return {line.split()[1] for line in lines if '"event":"issued"' in line}


@pytest.mark.parametrize("profile", ISSUERS)
def test_each_issuing_ca_signs_for_its_profile(
    running: Installation, issued: dict[str, list[dict[str, Any]]], profile: str
) -> None:
    name, kind = ISSUERS[profile]
    folder = running.directory / "signer/ca"
    issuer = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
    assert public_keys.kind(issuer.public_key()) == kind
    for request in issued[profile]:
        certificate = x509.load_pem_x509_certificate(request["certificate"].encode())
        certificate.verify_directly_issued_by(issuer)
        (chain,) = x509.load_pem_x509_certificates(request["chain"].encode())
        assert chain == issuer


def test_the_web_side_lists_all_issuing_cas(
    running: Installation, session: requests.Session, issued: object
) -> None:
    answer = session.get(f"{running.url}/api/v1/ca", timeout=60).json()
    assert len(answer["issuers"]) == len(ISSUERS)


def test_no_key_can_leave_the_token(running: Installation) -> None:
    library = pkcs11.lib(MODULE)
    library.reinitialize()
    with library.get_token(token_label="system").open(user_pin=PIN) as opened:
        keys = list(opened.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}))
        assert len(keys) == len(ISSUERS)
        for key in keys:
            assert key[Attribute.NEVER_EXTRACTABLE]
            assert key[Attribute.ALWAYS_SENSITIVE]
    assert not list((running.directory / "signer/ca").glob("*.key"))


def test_a_token_that_is_gone_for_a_while_is_waited_for(
    running: Installation, hsm: SoftHsm, session: requests.Session, issued: object
) -> None:
    hsm.take_out()
    try:
        ids = [submit(running, session, profile, "patience") for profile in ISSUERS]
        wait_for(running, "key-out-of-reach")
    finally:
        hsm.put_in()
    for request_id in ids:
        wait(running, session, request_id)


def test_the_pin_is_in_no_log_and_in_no_command_line(running: Installation, issued: object) -> None:
    assert PIN not in running.log.read_text("utf-8")
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes()
        except OSError:  # it has ended
            continue
        assert PIN.encode() not in line.replace(b"\0", b" "), line


def test_a_worker_with_a_wrong_pin_refuses_to_start(running: Installation) -> None:
    pin = running.directory.with_name("pin")
    pin.write_text("0000")
    try:
        ended = httpca("run", "signer-worker", "--config", running.directory / "signer")
    finally:
        pin.write_text(PIN)
    assert ended.returncode == 1
    assert "the token 'system' refuses the PIN" in ended.stderr
    assert "Traceback" not in ended.stderr
