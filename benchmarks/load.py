"""The load: a process of its own, so that its cost can be told from what is measured.

``python -m benchmarks.load throughput|batches|latency PORT COUNT ...`` with the token in the
environment; prints JSON.
"""

import argparse
import json
import os
import queue
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.client import Client

UNFINISHED = "&".join(f"state={one}" for one in ("submitted", "relayed", "waiting_for_signature"))
SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=["throughput", "batches", "latency"])
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--size", type=int, default=1000, help="of a batch")
    parser.add_argument("--rate", type=float, default=20, help="requests per second")
    arguments = parser.parse_args()
    load = Load(arguments)
    load.prepare(arguments.count)
    found = {"throughput": load.throughput, "batches": load.batches, "latency": load.latency}
    json.dump(found[arguments.case](), sys.stdout)


class Load:
    """CSRs, and the ways to send them."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._token = os.environ["HTTPCA_TOKEN"]
        self._ids: dict[str, int] = {}
        self._csrs: list[bytes] = []
        self._run = os.urandom(4).hex()

    def prepare(self, count: int) -> None:
        """Make so many CSRs, each with a key and a name of its own."""
        for number in range(count):
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.DNSName(f"host-{number}.{self._run}.test")
            builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
            builder = builder.add_extension(x509.SubjectAlternativeName([name]), True)
            self._csrs.append(builder.sign(key, SHA256()).public_bytes(Encoding.DER))

    def throughput(self) -> dict[str, Any]:
        """Submit one CSR a call, and wait until the last is readable as issued."""
        answered: list[float] = []

        def submit(client: Client, number: int) -> None:
            began = time.perf_counter()
            path = "/api/v1/requests?profile=server"
            answer = client.post(path, "application/pkcs10", self._csrs[number])
            answered.append(time.perf_counter() - began)
            if answer.status != 202:
                raise ValueError(f"{answer.status}: {answer.body[:300]!r}")
            self._ids[answer.json()["id"]] = number

        return self._timed(submit, range(len(self._csrs)), answered)

    def batches(self) -> dict[str, Any]:
        """Submit many CSRs a call."""
        answered: list[float] = []
        size = self._arguments.size

        def submit(client: Client, first: int) -> None:
            octets = self._csrs[first : first + size]
            body = {"requests": [{"csr": self._pem(one), "profile": "server"} for one in octets]}
            began = time.perf_counter()
            answer = client.post("/api/v1/batches", "application/json", json.dumps(body).encode())
            answered.append(time.perf_counter() - began)
            if answer.status != 202:
                raise ValueError(f"{answer.status}: {answer.body[:300]!r}")
            for offset, result in enumerate(answer.json()["results"]):
                self._ids[result["request"]["id"]] = first + offset

        return self._timed(submit, range(0, len(self._csrs), size), answered)

    def latency(self) -> dict[str, Any]:
        """Submit at a steady rate; measure from the start of POST to the long poll's answer."""
        times: list[float] = []
        began = time.perf_counter()

        def one(client: Client, number: int) -> None:
            pause = began + number / self._arguments.rate - time.perf_counter()
            time.sleep(max(0.0, pause))
            started = time.perf_counter()
            path = "/api/v1/requests?profile=server"
            answer = client.post(path, "application/pkcs10", self._csrs[number]).json()
            while answer["state"] != "issued":
                answer = client.get(
                    f"/api/v1/requests/{answer['id']}", "Prefer: wait=30\r\n"
                ).json()
            times.append(time.perf_counter() - started)
            self._ids[answer["id"]] = number

        self._in_threads(one, range(len(self._csrs)))
        self._check()
        return {"count": len(times), "seconds": sorted(times)}

    def _timed(
        self, submit: Callable[[Client, int], None], numbers: range, answered: list[float]
    ) -> dict[str, Any]:
        began = time.perf_counter()
        self._in_threads(submit, numbers)
        submitted = time.perf_counter()
        client = self._client()
        while client.get(f"/api/v1/requests?{UNFINISHED}&limit=1").json()["requests"]:
            time.sleep(0.02)
        ended = time.perf_counter()
        self._check()
        return {
            "count": len(self._ids),
            "seconds": ended - began,
            "submitting": submitted - began,
            "answered": sorted(answered),
            "cpu": time.process_time(),
        }

    def _check(self) -> None:
        """Fetch every certificate: it must be for the key of its CSR."""

        def fetch(client: Client, id: str) -> None:
            certificate = client.get(f"/api/v1/requests/{id}").json()["certificate"]
            issued = x509.load_pem_x509_certificate(certificate.encode()).public_key()
            asked = x509.load_der_x509_csr(self._csrs[self._ids[id]]).public_key()
            if issued.public_bytes(*SPKI) != asked.public_bytes(*SPKI):
                raise ValueError(f"{id}: a certificate for another key")

        if len(self._ids) != len(self._csrs):
            raise ValueError(f"{len(self._csrs)} were sent, {len(self._ids)} are known")
        self._in_threads(fetch, list(self._ids))

    def _pem(self, csr: bytes) -> str:
        return ssl.DER_cert_to_PEM_cert(csr).replace(" CERTIFICATE-", " CERTIFICATE REQUEST-")

    def _client(self) -> Client:
        return Client(self._arguments.port, self._token)

    def _in_threads(self, do: Callable[[Client, Any], None], items: Any) -> None:
        waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for item in items:
            waiting.put(item)
        errors: list[BaseException] = []

        def work() -> None:
            client = self._client()
            try:
                for item in _until_empty(waiting):
                    do(client, item)
            except Exception as error:  # noqa: BLE001 - told to the main thread
                errors.append(error)
            finally:
                client.close()

        threads = [threading.Thread(target=work) for _ in range(self._arguments.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]


def _until_empty(waiting: queue.SimpleQueue[Any]) -> Iterator[Any]:
    while True:
        try:
            yield waiting.get_nowait()
        except queue.Empty:
            return


if __name__ == "__main__":
    main()
