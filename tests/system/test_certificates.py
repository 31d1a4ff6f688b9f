"""Certificates for CSRs made by openssl, verified by openssl, and used by TLS."""

import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
import requests

from tests import factories
from tests.system.installation import Installation

KEYS = ["rsa:2048", "rsa:3072", "ec:P-256", "ec:P-384", "ed25519"]
OPENSSL = shutil.which("openssl") or "openssl"


def openssl(*arguments: str | Path) -> str:
    return subprocess.run(
        [OPENSSL, *arguments], check=True, capture_output=True, text=True, timeout=60
    ).stdout


@pytest.fixture(scope="module")
def token(installation: Installation) -> str:
    return installation.token("openssl-user")


def obtain(installation: Installation, token: str, csr: bytes, *, approved: bool) -> str:
    """Submit a CSR and return the certificate with its chain, in PEM."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    api = f"{installation.url}/api/v1/requests"
    answer = session.post(
        f"{api}?profile=server",
        data=csr,
        headers={"Content-Type": "application/x-pem-file"},
        timeout=60,
    )
    assert answer.status_code == 202, answer.text
    request = answer.json()["id"]
    if approved:
        while session.get(f"{api}/{request}", timeout=60).json()["state"] in (
            "submitted",
            "relayed",
        ):
            pass
        installation.approve("accept", request)
    held = session.get(f"{api}/{request}", headers={"Prefer": "wait=60"}, timeout=90)
    assert held.json()["state"] == "issued", held.text
    return session.get(f"{api}/{request}/certificate", timeout=60).text


def root(installation: Installation, folder: Path) -> Path:
    file = folder / "root.pem"
    file.write_text(requests.get(f"{installation.url}/ca.pem", timeout=60).text)
    return file


@pytest.mark.parametrize("kind", KEYS)
def test_openssl_verifies_what_was_issued_for_its_csr(
    kind: str, installation: Installation, token: str, tmp_path: Path
) -> None:
    csr = factories.openssl_csr(key=kind, names=("DNS:host.test", "DNS:www.host.test"))
    pem = obtain(installation, token, csr, approved=False)
    file = tmp_path / "certificate.pem"
    file.write_text(pem)

    arguments = ("-CAfile", root(installation, tmp_path), "-untrusted", file, file)
    verified = openssl("verify", "-x509_strict", "-purpose", "sslserver", *arguments)
    text = openssl("x509", "-in", file, "-noout", "-text")

    assert verified.endswith(": OK\n")
    assert "DNS:host.test, DNS:www.host.test" in text
    assert "CA:FALSE" in text
    assert "TLS Web Server Authentication" in text
    assert "Subject Key Identifier" in text
    assert "Authority Key Identifier" in text


def test_a_tls_client_that_trusts_only_the_root_accepts_the_server(
    installation: Installation, token: str, tmp_path: Path
) -> None:
    key = tmp_path / "server.key"
    key.write_bytes(factories.openssl_key("ec:P-256"))
    csr = openssl(
        "req", "-new", "-key", key, "-subj", "/", "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
    )  # fmt: skip
    chain = tmp_path / "server.pem"
    chain.write_text(obtain(installation, token, csr.encode(), approved=True))
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(chain, key)
    trusting = ssl.create_default_context(cafile=str(root(installation, tmp_path)))
    doubting = ssl.create_default_context()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = threading.Thread(target=_answer, args=(listener, served, 3))
        server.start()
        for name in ("localhost", "127.0.0.1"):
            assert _ask(port, trusting, name) == b"hello"
        with pytest.raises(ssl.SSLCertVerificationError):
            _ask(port, doubting, "localhost")
        server.join(timeout=30)
    assert not server.is_alive()


def _answer(listener: socket.socket, context: ssl.SSLContext, times: int) -> None:
    for _ in range(times):
        connection, _ = listener.accept()
        with connection:
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.sendall(b"hello")
            except (ssl.SSLError, ConnectionError):
                continue  # the client did not trust us: its own assertion says so


def _ask(port: int, context: ssl.SSLContext, name: str) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as connection,
        context.wrap_socket(connection, server_hostname=name) as secured,
    ):
        return secured.recv(100)
