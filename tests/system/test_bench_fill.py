"""What the bench fills databases with is what the program itself would have written."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509

from benchmarks.fill import fill, sequenced
from benchmarks.flood import Flood, get
from benchmarks.ground import Ground
from benchmarks.loading import throughput
from tests.servers import PostgreSQL, RabbitMQ

COUNT = 300
ISSUED = 5


class Given:
    """Servers that run already."""

    def __init__(self, rabbitmq: RabbitMQ, postgresql: PostgreSQL) -> None:
        self.rabbitmq = rabbitmq
        self.postgresql = postgresql


@pytest.fixture(scope="module")
def ground(rabbitmq: RabbitMQ, postgresql: PostgreSQL) -> Iterator[Ground]:
    """A few certificates that were issued, and many copies of them in three transactions."""
    with Ground(Given(rabbitmq, postgresql)) as made:
        found = throughput(made, "throughput", ISSUED)
        assert found["checked"] == ISSUED
        ((example,),) = made.query("web", "SELECT id::text FROM requests LIMIT 1")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("benchmarks.fill.CHUNK", 128)
            fill(made, COUNT, str(example))
        yield made


def column(ground: Ground, side: str, what: str, table: str) -> list[Any]:
    return [row[0] for row in ground.query(side, f"SELECT {what} FROM {table} ORDER BY 1")]


def test_both_sides_have_the_same_requests_and_certificates(ground: Ground) -> None:
    assert ground.issued() == ISSUED + COUNT
    for what, table in (("id", "requests"), ("certificate", "certificates")):
        assert column(ground, "web", what, table) == column(ground, "signer", what, table)


def test_each_certificate_is_one_with_a_serial_number_of_its_own(ground: Ground) -> None:
    rows = ground.query("signer", "SELECT serial, certificate FROM certificates")
    certificates = {serial: x509.load_der_x509_certificate(octets) for serial, octets in rows}
    assert len(certificates) == ISSUED + COUNT
    assert all(int(serial, 16) == found.serial_number for serial, found in certificates.items())
    tbs = ground.query("signer", "SELECT serial, octets FROM tbs")
    assert all(octets == certificates[serial].tbs_certificate_bytes for serial, octets in tbs)


def test_no_audit_entry_is_missing_and_the_log_verifies(ground: Ground) -> None:
    assert ground.missing() == 0
    sequenced(ground)
    assert f" {ISSUED + COUNT} certificates agree" in ground.verified()


def test_a_missing_entry_would_be_noticed(ground: Ground) -> None:
    ground.query(
        "web",
        "CREATE TABLE kept AS SELECT * FROM audit; ALTER TABLE audit DISABLE TRIGGER USER;"
        "DELETE FROM audit WHERE id = (SELECT max(id) FROM audit WHERE details->>'to' = 'issued')"
        " RETURNING id",
    )
    try:
        assert ground.missing() == 1
    finally:
        ground.query(
            "web",
            "INSERT INTO audit OVERRIDING SYSTEM VALUE SELECT * FROM kept"
            " WHERE id NOT IN (SELECT id FROM audit); DROP TABLE kept;"
            "ALTER TABLE audit ENABLE TRIGGER USER; SELECT 1",
        )
    assert ground.missing() == 0


def test_the_requester_sees_the_copies(ground: Ground) -> None:
    bodies: list[bytes] = []
    asking = Flood(ground.ports)
    try:
        path = "/api/v1/requests?state=issued&limit=50"
        request = get(ground.ports[0], ground.token, path)
        asking.each([request], 1, lambda number, seconds, status, body: bodies.append(body))
    finally:
        asking.close()
    assert bodies[0].count(b'"state":"issued"') == 50
    assert b'"next":"' in bodies[0]
