"""Listens to everything on the broker and verifies it as a JWS. Imports nothing of HttpCA.

Takes the broker's URL and folders with certificates; binds a queue of its own to the exchanges that
carry messages, says ``listening``, and when its standard input ends prints a JSON summary.
"""

import base64
import hashlib
import json
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import jwt
import pika
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

EXCHANGES = [
    "web.relay",
    "web.deliver",
    "signer.policy",
    "signer.decide",
    "signer.sign",
    "signer.transmit",
]


def certificates(folders: list[str]) -> dict[str, x509.Certificate]:
    """Return the certificates in some folders by their RFC 7515 ``x5t#S256``."""
    found = {}
    for folder in folders:
        for file in Path(folder).glob("*.pem"):
            certificate = x509.load_pem_x509_certificate(file.read_bytes())
            der = certificate.public_bytes(Encoding.DER)
            digest = hashlib.sha256(der).digest()
            found[base64.urlsafe_b64encode(digest).rstrip(b"=").decode()] = certificate
    return found


def main() -> None:
    url, *folders = sys.argv[1:]
    known = certificates(folders)
    verified: Counter[str] = Counter()
    problems: list[str] = []
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    for exchange in EXCHANGES:
        channel.queue_bind(queue, exchange, exchange)
    print("listening", flush=True)
    for method, _, octets in channel.consume(queue, auto_ack=True, inactivity_timeout=0.5):
        if method is None or octets is None:
            if ended.is_set():
                break
            continue
        try:
            verified[check(octets.decode("ascii"), known, str(method.exchange))] += 1
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a message is the finding
            problems.append(f"{method.exchange}: {error!r}")
    connection.close()
    print(json.dumps({"verified": verified, "problems": problems}), flush=True)


def check(token: str, known: dict[str, x509.Certificate], exchange: str) -> str:
    """Verify one message; return ``SENDER -> QUEUE``."""
    header: dict[str, Any] = jwt.get_unverified_header(token)
    if set(header) != {"alg", "x5t#S256", "typ"} or header["typ"] != "httpca+jws":
        raise ValueError(f"the header is {header}")
    certificate = known[header["x5t#S256"]]
    payload: dict[str, Any] = json.loads(
        jwt.PyJWS().decode(token, certificate.public_key(), algorithms=["EdDSA"])  # type: ignore[arg-type]
    )
    if set(payload) != {"v", "id", "stage", "queue", "sent_at", "body"}:
        raise ValueError(f"the payload has {sorted(payload)}")
    if payload["queue"] != exchange:
        raise ValueError(f"{payload['queue']} travels by {exchange}")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    return f"{uri} -> {exchange}"


if __name__ == "__main__":
    main()
