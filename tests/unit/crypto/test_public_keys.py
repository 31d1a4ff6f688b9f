import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import SubjectKeyIdentifier

from pipeline.crypto import der, public_keys
from pipeline.crypto.public_keys import KeyRule, PublicKeyFacts
from tests.factories import openssl, openssl_key


def facts(key: PublicKeyTypes) -> PublicKeyFacts:
    return public_keys.facts(key, public_keys.spki(key))


KINDS = [
    (lambda: ec.generate_private_key(ec.SECP256R1()), "ec:P-256", "EC P-256"),
    (lambda: ec.generate_private_key(ec.SECP384R1()), "ec:P-384", "EC P-384"),
    (lambda: ec.generate_private_key(ec.SECP521R1()), "ec:P-521", "EC P-521"),
    (lambda: ec.generate_private_key(ec.SECP256K1()), "ec:secp256k1", "EC secp256k1"),
    (lambda: rsa.generate_private_key(65537, 2048), "rsa:2048", "RSA 2048 bits"),
    (ed25519.Ed25519PrivateKey.generate, "ed25519", "Ed25519"),
    (ed448.Ed448PrivateKey.generate, "ed448", "Ed448"),
    (x25519.X25519PrivateKey.generate, "x25519", "X25519"),
    (lambda: dsa.generate_private_key(1024), "dsa:1024", "DSA 1024 bits"),
]


@pytest.mark.parametrize(("make", "kind", "text"), KINDS, ids=[kind for _, kind, _ in KINDS])
def test_a_key_has_a_kind_and_a_text(make: object, kind: str, text: str) -> None:
    key = make().public_key()  # type: ignore[operator]
    assert (facts(key).kind, facts(key).text) == (kind, text)
    assert public_keys.kind(key) == kind
    assert facts(key).family == kind.partition(":")[0]


def test_the_fingerprint_is_that_of_openssl() -> None:
    pem = openssl_key("ec:P-256")
    spki = openssl("pkey", "-pubout", "-outform", "DER", octets=pem)
    public_key = load_pem_private_key(pem, None).public_key()
    assert facts(public_key).fingerprint == hashlib.sha256(spki).hexdigest()


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ("rsa:2048", "rsa:2048"),
        ("rsa:2048-4096", "rsa:2048"),
        ("rsa:2048-4096", "rsa:3071"),
        ("rsa:2048-4096", "rsa:4096"),
        ("ec:P-256", "ec:P-256"),
        ("ed25519", "ed25519"),
    ],
)
def test_a_rule_admits(rule: str, kind: str) -> None:
    assert KeyRule.parse(rule).admits(PublicKeyFacts(kind, "", ""))


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ("rsa:2048", "rsa:2049"),
        ("rsa:3072-4096", "rsa:2048"),
        ("rsa:2048-4096", "rsa:4097"),
        ("rsa:2048-4096", "dsa:3072"),
        ("ec:P-256", "ec:P-384"),
        ("ec:P-256", "ec:secp256k1"),
        ("ed25519", "ed448"),
    ],
)
def test_a_rule_does_not_admit(rule: str, kind: str) -> None:
    assert not KeyRule.parse(rule).admits(PublicKeyFacts(kind, "", ""))


@pytest.mark.parametrize(
    "text",
    ["", "rsa", "rsa:", "rsa:2048-", "rsa:-4096", "ec", "ec:p-256", "ec:secp256k1", "dsa:2048"],
)
def test_what_is_not_a_rule_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="allowed are rsa:2048, "):
        KeyRule.parse(text)


@pytest.mark.parametrize("text", ["rsa:1024", "rsa:1024-2048", "rsa:4096-2048", "rsa:2048-99999"])
def test_sizes_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="from 2048 to 16384 bits"):
        KeyRule.parse(text)


@pytest.mark.parametrize("kind", ["ec:P-256", "rsa:2048", "ed25519"])
def test_the_identifier_is_the_hash_of_the_key_without_its_algorithm(kind: str) -> None:
    key = load_pem_private_key(openssl_key(kind), None).public_key()
    spki = public_keys.spki(key)
    sha1 = hashlib.sha1(der.key_bits(spki), usedforsecurity=False).digest()
    assert sha1 == SubjectKeyIdentifier.from_public_key(key).digest  # type: ignore[arg-type]
    sha256 = hashlib.sha256(der.key_bits(spki)).digest()
    assert public_keys.identifier(spki) == sha256[:20]
