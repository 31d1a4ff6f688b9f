import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from pipeline.errors import SettingsError
from pipeline.signer.keys import SigningKey
from pipeline.signer.keys.file import generate, load, save
from tests.factories import key, openssl, openssl_key, write

HASHES = {
    "ec:P-256": "sha256",
    "ec:P-384": "sha384",
    "ec:P-521": "sha512",
    "ed25519": None,
    "rsa:2048": "sha256",
    "rsa:3072": "sha256",
    "rsa:4096": "sha384",
}


@pytest.mark.parametrize("kind", HASHES)
def test_a_key_signs_with_the_algorithm_of_its_kind(kind: str) -> None:
    signing_key: SigningKey = key(kind)
    assert signing_key.kind == kind
    digest, public_key = signing_key.signature_hash, signing_key.public_key
    assert (digest.name if digest else None) == HASHES[kind]
    signature = signing_key.sign(b"tbs")
    if isinstance(public_key, EllipticCurvePublicKey):
        assert digest is not None
        public_key.verify(signature, b"tbs", ec.ECDSA(digest))
    elif isinstance(public_key, RSAPublicKey):
        assert digest is not None
        public_key.verify(signature, b"tbs", padding.PKCS1v15(), digest)
    else:
        assert isinstance(public_key, Ed25519PublicKey)
        public_key.verify(signature, b"tbs")


@pytest.mark.parametrize("spec", ["", "rsa", "rsa:1024", "rsa:2049", "rsa:8192", "ec:P-192", "dsa"])
def test_other_kinds_are_refused_with_what_is_allowed(spec: str) -> None:
    with pytest.raises(ValueError, match="allowed are ec:P-256"):
        generate(spec)


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_a_saved_key_is_loaded_again(tmp_path: Path, passphrase: bytes | None) -> None:
    path = tmp_path / "issuing.key"
    save(path, key(), passphrase)
    assert load(path, passphrase) == key()
    assert load(path, passphrase).public_key == key().public_key
    assert path.stat().st_mode & 0o777 == 0o600
    assert (b"ENCRYPTED" in path.read_bytes()) == (passphrase is not None)
    assert os.listdir(tmp_path) == ["issuing.key"]


def test_openssl_reads_a_saved_key(tmp_path: Path) -> None:
    path = tmp_path / "issuing.key"
    save(path, key("rsa:2048"), b"secret")
    openssl("pkey", "-in", str(path), "-passin", "pass:secret", "-check", "-noout")


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "issuing.key"
    save(path, key(), None)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        save(path, key("ed25519"), None)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["issuing.key"]


def encrypted() -> bytes:
    return openssl("pkcs8", "-topk8", "-passout", "pass:secret", octets=openssl_key("ec:P-256"))


@pytest.mark.parametrize(
    ("octets", "passphrase", "problem"),
    [
        (encrypted, None, "is encrypted; give its passphrase"),
        (encrypted, b"wrong", "passphrase of the CA key is wrong"),
        (
            lambda: openssl_key("ec:P-256"),
            b"secret",
            "is not encrypted, but a passphrase was given",
        ),
        (lambda: b"", None, "not a private key in PEM"),
        (
            lambda: openssl("pkey", "-pubout", octets=openssl_key("ec:P-256")),
            None,
            "not a private key",
        ),
        (lambda: openssl_key("ec:P-256").replace(b"M", b"!", 1), None, "cannot be read"),
        (lambda: openssl_key("ec:secp256k1"), None, "a CA key cannot be 'ec:secp256k1'"),
        (lambda: openssl_key("ed448"), None, "is of another kind"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_with_its_file(
    octets: object, passphrase: bytes | None, problem: str
) -> None:
    path = write(octets(), "issuing.key")  # type: ignore[operator]
    with pytest.raises(SettingsError, match=problem) as caught:
        load(path, passphrase)
    assert str(path) in str(caught.value)


def test_a_missing_key_is_told_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load(tmp_path / "issuing.key", None)


def test_a_key_never_shows_itself() -> None:
    assert "private_key" not in repr(key())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_a_key_that_others_can_read_or_change_is_refused(
    tmp_path: Path, mode: int, passphrase: bytes | None
) -> None:
    path = tmp_path / "issuing.key"
    save(path, key(), passphrase)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=r"others than its owner have rights.*chmod 600"):
        load(path, passphrase)
