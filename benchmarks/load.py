"""The load: a process of its own, so that its cost can be told from what is measured.

``python -m benchmarks.load throughput|batches|latency COUNT --ports ...`` with the token in the
environment. It makes all requests, says ``ready``, and waits for a line; sends them, and prints what
it found as one line of JSON when the last certificate is readable; waits for a line again; then fetches
and checks every certificate, and prints a second line of JSON.
"""

import argparse
import json
import os
import ssl
import sys
import time
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks import flood
from benchmarks.flood import Connection, Flood
from pipeline.clock import now

SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

LAST: Final = 1600
"""Of so many requests that were answered last some are watched for the end: of several batches, since
one that was begun later may be done sooner."""

APART: Final = 100
"""Every which of them."""

AGAIN: Final = 0.01
"""Seconds until a request is looked at again whose long poll found no place."""

PATIENCE: Final = 300.0
"""Seconds that all requests have to be issued; against hanging only."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=["throughput", "batches", "latency"])
    parser.add_argument("count", type=int)
    parser.add_argument("--ports", required=True, help="separated by commas")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--size", type=int, default=1000, help="of a batch")
    parser.add_argument("--rate", type=float, default=20, help="requests per second")
    load = Load(parser.parse_args())
    _say("ready")
    cpu = time.process_time()
    found = load.send()
    found["cpu"] = time.process_time() - cpu
    _say(json.dumps(found))
    _say(json.dumps(load.check(found)))


def _say(line: str) -> None:
    print(line, flush=True)
    sys.stdin.readline()


class Load:
    """Requests, made before the clock starts, and what came of them."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._token = os.environ.get("HTTPCA_TOKEN", "")
        self._ports = [int(port) for port in arguments.ports.split(",")]
        self._flood = Flood(self._ports)
        self._csrs = _csrs(arguments.count)
        self._bodies: dict[int, bytes] = {}
        self._ids: list[str] = []
        size = arguments.size if arguments.case == "batches" else 1
        self._firsts = range(0, arguments.count, size)
        self._requests = [self._request(first, size) for first in self._firsts]
        for connection in [self._flood.free() for _ in range(arguments.connections)]:
            self._flood.release(connection)

    def send(self) -> dict[str, Any]:
        """Send all in the way that the case names."""
        return self._latency() if self._arguments.case == "latency" else self._throughput()

    def check(self, found: dict[str, Any]) -> dict[str, Any]:
        """Fetch every certificate: it must be for the key of its CSR, signed by the issuing CA, and
        no serial number may come twice. Return when the last one was stored, as the web side says."""
        serials, last = set(), 0.0
        for number, read in enumerate(self._issued()):
            certificate = x509.load_pem_x509_certificate(read["certificate"].encode())
            issuer = x509.load_pem_x509_certificate(read["chain"].encode())
            certificate.verify_directly_issued_by(issuer)
            asked = x509.load_der_x509_csr(self._csrs[number]).public_key()
            if certificate.public_key().public_bytes(*SPKI) != asked.public_bytes(*SPKI):
                raise ValueError(f"{read['id']}: a certificate for another key")
            serials.add(certificate.serial_number)
            last = max(last, datetime.fromisoformat(read["changed_at"]).timestamp())
        if len(serials) != len(self._csrs):
            raise ValueError(f"{len(self._csrs)} were sent, {len(serials)} have a certificate")
        return {"checked": len(serials), "stored": last}

    def _issued(self) -> list[Any]:
        """Fetch every request, and again which of them is not issued yet."""
        found: list[Any] = [None] * len(self._ids)
        waiting, deadline = list(range(len(found))), time.perf_counter() + PATIENCE
        while waiting:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{len(waiting)} are not issued after {PATIENCE:.0f} s")
            asked = waiting

            def keep(
                place: int, seconds: float, status: int, body: bytes, asked: list[int] = asked
            ) -> None:
                found[asked[place]] = json.loads(body)

            requests = [self._get(self._ids[number]) for number in asked]
            self._flood.each(requests, self._arguments.connections, keep)
            waiting = [number for number in asked if found[number]["state"] != "issued"]
            time.sleep(AGAIN if waiting else 0)
        return found

    def _throughput(self) -> dict[str, Any]:
        answered: list[float] = []
        order: list[int] = []

        def keep(number: int, seconds: float, status: int, body: bytes) -> None:
            if status != 202:
                raise ValueError(f"{status}: {body[:300]!r}")
            self._bodies[number] = body
            answered.append(seconds)
            order.append(number)

        started, began = now().timestamp(), time.perf_counter()
        self._flood.each(self._requests, self._arguments.connections, keep)
        submitted = time.perf_counter()
        self._watch(order)
        ended = time.perf_counter()
        self._read_ids()
        return {
            "count": len(self._csrs),
            "started": started,
            "seconds": ended - began,
            "submitting": submitted - began,
            "answered": sorted(answered),
        }

    def _watch(self, order: list[int]) -> None:
        """Return when some of those are issued that were answered last. `check` finds out whether any
        other one was later."""
        ids = [id for number in order[-LAST:] for id in self._ids_of(number)[-LAST:]]
        deadline = time.perf_counter() + PATIENCE
        for request_id in ids[: -LAST - 1 : -APART]:
            request = self._get(request_id, "Prefer: wait=30")
            while b'"state":"issued"' not in self._ask(request):
                if time.perf_counter() > deadline:
                    raise TimeoutError(f"{request_id} is not issued after {PATIENCE:.0f} s")
                time.sleep(AGAIN)

    def _latency(self) -> dict[str, Any]:
        """Submit at a steady rate; measure from the start of POST to the long poll's answer."""
        times: list[float] = []
        began = time.perf_counter() + 0.1

        def submit(number: int) -> None:
            connection = self._flood.free()
            started = time.perf_counter()

            def answered(connection: Connection, status: int, body: bytes) -> None:
                self._bodies.setdefault(number, body)
                if b'"state":"issued"' in body:
                    times.append(time.perf_counter() - started)
                    self._flood.release(connection)
                    return
                if status >= 300 or time.perf_counter() - started > PATIENCE:
                    raise ValueError(f"{status}: {body[:300]!r}")
                request = self._get(self._ids_of(number)[0], "Prefer: wait=30")
                pause = 0.0 if self._bodies[number] is body else AGAIN
                self._flood.at(
                    time.perf_counter() + pause,
                    lambda: self._flood.send(connection, request, answered),
                )

            self._flood.send(connection, self._requests[number], answered)

        for number in range(len(self._requests)):
            moment = began + number / self._arguments.rate
            self._flood.at(moment, lambda number=number: submit(number))  # type: ignore[misc]
        self._flood.run()
        self._read_ids()
        return {"count": len(times), "seconds": time.perf_counter() - began, "times": sorted(times)}

    def _ask(self, request: bytes) -> bytes:
        found: list[bytes] = []
        self._flood.each([request], 1, lambda number, seconds, status, body: found.append(body))
        return found[0]

    def _read_ids(self) -> None:
        self._ids = [one for number in range(len(self._requests)) for one in self._ids_of(number)]
        if len(self._ids) != len(self._csrs):
            raise ValueError(f"{len(self._csrs)} were sent, {len(self._ids)} are known")

    def _ids_of(self, number: int) -> list[str]:
        read = json.loads(self._bodies[number])
        if "results" in read:
            return [result["request"]["id"] for result in read["results"]]
        return [read["id"]]

    def _request(self, first: int, size: int) -> bytes:
        port = self._ports[0]
        if self._arguments.case != "batches":
            path, media_type = "/api/v1/requests?profile=server", "application/pkcs10"
            return flood.post(port, self._token, path, media_type, self._csrs[first])
        body = {
            "requests": [
                {"csr": pem(one), "profile": "server"} for one in self._csrs[first : first + size]
            ]
        }
        octets = json.dumps(body).encode()
        return flood.post(port, self._token, "/api/v1/batches", "application/json", octets)

    def _get(self, request_id: str, *headers: str) -> bytes:
        path = f"/api/v1/requests/{request_id}"
        return flood.get(self._ports[0], self._token, path, headers)


def _csrs(count: int) -> list[bytes]:
    """Make so many CSRs, each with a key and a name of its own."""
    run = os.urandom(4).hex()
    return [signed_csr(f"host-{number}.{run}.test") for number in range(count)]


def signed_csr(name: str) -> bytes:
    """Make a CSR in DER for a DNS name, with a new P-256 key."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), True)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def pem(csr: bytes) -> str:
    """Return a CSR as PEM."""
    return ssl.DER_cert_to_PEM_cert(csr).replace(" CERTIFICATE-", " CERTIFICATE REQUEST-")


if __name__ == "__main__":
    main()
