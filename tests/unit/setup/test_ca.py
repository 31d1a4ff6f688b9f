from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.setup.ca import ISSUING_LIFETIME, make_issuing, make_root
from tests.factories import NOW, key, new_serial, openssl, write


@pytest.mark.parametrize("kind", ["ec:P-256", "ec:P-384", "rsa:2048", "rsa:4096", "ed25519"])
def test_openssl_accepts_the_issuing_ca_below_its_root(kind: str) -> None:
    root = make_root(key(kind), "Example Root", NOW, new_serial())
    issuing = make_issuing(
        key("ec:P-256").public_key, "Example CA", root, key(kind), NOW, new_serial()
    )
    root_file = write(root.public_bytes(Encoding.PEM))
    issuing_file = write(issuing.public_bytes(Encoding.PEM))
    at = str(int(NOW.timestamp()) + 60)
    arguments = [
        "verify",
        "-x509_strict",
        "-check_ss_sig",
        "-attime",
        at,
        "-CAfile",
        str(root_file),
    ]
    assert openssl(*arguments, str(root_file), str(issuing_file)).count(b": OK") == 2


def test_root_and_issuing_ca_say_what_they_may() -> None:
    root = make_root(key(), "Example Root", NOW, new_serial())
    issuing = make_issuing(key("ed25519").public_key, "Example CA", root, key(), NOW, new_serial())
    text = openssl("x509", "-noout", "-text", octets=issuing.public_bytes(Encoding.PEM)).decode()
    assert "Issuer: CN = Example Root" in text
    assert "Subject: CN = Example CA" in text
    assert "CA:TRUE, pathlen:0" in text
    assert "Key Usage: critical\n                Certificate Sign, CRL Sign" in text
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=1)
    without = make_root(key(), "Example Root", NOW, new_serial(), path_length=None)
    constraints = without.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=None)


def test_the_issuing_ca_never_outlives_its_root() -> None:
    root = make_root(key(), "Root", NOW, new_serial(), lifetime=timedelta(days=30))
    issuing = make_issuing(key().public_key, "CA", root, key(), NOW, new_serial())
    assert issuing.not_valid_after_utc == root.not_valid_after_utc
    lasting = make_root(key(), "Root", NOW, new_serial())
    issuing = make_issuing(key().public_key, "CA", lasting, key(), NOW, new_serial())
    length = issuing.not_valid_after_utc - issuing.not_valid_before_utc
    assert length + timedelta(seconds=1) == ISSUING_LIFETIME


def test_a_name_that_no_certificate_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="<= 64"):
        make_root(key(), "x" * 65, NOW, new_serial())
