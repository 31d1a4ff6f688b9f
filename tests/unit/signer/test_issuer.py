from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pipeline.crypto import public_keys
from pipeline.errors import SettingsError
from pipeline.setup.ca import ROOT_LIFETIME, make_issuing, make_root
from pipeline.signer.issuer import load_issuer
from pipeline.signer.keys.file import FileKey
from tests.factories import NOW, issuer, key, new_serial, write

ROOT_KEY, ISSUING_KEY = key("ec:P-256"), key("ed25519")
ROOT = make_root(ROOT_KEY, "Root", NOW, new_serial())
ISSUING = make_issuing(ISSUING_KEY.public_key, "Issuing", ROOT, ROOT_KEY, NOW, new_serial())


def pem(*certificates: x509.Certificate) -> Path:
    return write(b"".join(c.public_bytes(Encoding.PEM) for c in certificates), "ca.pem")


def ca_like(
    ca: bool = True,
    path_length: int | None = 0,
    key_usage: bool | None = True,
    more: x509.ExtensionType | None = None,
) -> x509.Certificate:
    """Return what should be an issuing CA's certificate, with something else in it."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Odd")]))
        .issuer_name(ROOT.subject)
        .public_key(ISSUING_KEY.public_key)
        .serial_number(new_serial())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
    )
    if key_usage is not None:
        usages = [False] * 9
        usages[5 if key_usage else 6] = True  # keyCertSign or cRLSign
        builder = builder.add_extension(x509.KeyUsage(*usages), critical=True)
    if more is not None:
        builder = builder.add_extension(more, critical=False)
    return builder.sign(ROOT_KEY.private_key, SHA256())


def problem(issuing: Path, root: Path, signing_key: FileKey | None = None, days: int = 0) -> str:
    with pytest.raises(SettingsError) as caught:
        load_issuer(issuing, root, signing_key, NOW + timedelta(days=days))
    return str(caught.value)


def test_an_issuer_with_an_unknown_tls_feature_is_refused_with_its_name() -> None:
    feature = x509.UnrecognizedExtension(x509.TLSFeature.oid, bytes((0x30, 3, 2, 1, 99)))
    assert "the extensions of CN=Odd cannot be read: a TLS feature (RFC 7633) is not known: 99" in (
        problem(pem(ca_like(more=feature)), pem(ROOT))
    )


def test_an_issuer_is_loaded_with_its_chain() -> None:
    found = load_issuer(pem(ISSUING), pem(ROOT), ISSUING_KEY, NOW)
    assert found.certificate == ISSUING
    assert found.fingerprint == ISSUING.fingerprint(SHA256()).hex()
    assert found.chain == (ISSUING.public_bytes(Encoding.DER),)
    assert found.root == ROOT.public_bytes(Encoding.DER)
    assert found.key is ISSUING_KEY
    assert found.kind == "ed25519"
    assert "private" not in repr(found)


def test_a_chain_of_three_is_loaded() -> None:
    root = make_root(ROOT_KEY, "Root", NOW, new_serial(), path_length=None)
    middle_key = key("ec:P-384")
    middle = make_issuing(
        middle_key.public_key, "Middle", root, ROOT_KEY, NOW, new_serial(), path_length=1
    )
    low = make_issuing(ISSUING_KEY.public_key, "Low", middle, middle_key, NOW, new_serial())
    found = load_issuer(pem(low, middle), pem(root), ISSUING_KEY, NOW)
    assert [x509.load_der_x509_certificate(der) for der in found.chain] == [low, middle]
    assert "was not issued by" in problem(pem(middle, low), pem(root))


@pytest.mark.parametrize(
    ("root_length", "middle_length", "low_length", "room"),
    [
        (None, 1, 0, 0),
        (None, 3, 5, 2),  # the one above says less
        (2, 5, 5, 0),  # and so does the root
        (4, 5, 1, 1),
    ],
)
def test_the_room_below_an_issuer_is_what_its_whole_chain_leaves(
    root_length: int | None, middle_length: int, low_length: int, room: int
) -> None:
    root = make_root(ROOT_KEY, "Root", NOW, new_serial(), path_length=root_length)
    middle_key, low_key = key("ec:P-384"), ISSUING_KEY.public_key
    middle = make_issuing(
        middle_key.public_key, "M", root, ROOT_KEY, NOW, new_serial(), path_length=middle_length
    )
    low = make_issuing(
        low_key, "Low", middle, middle_key, NOW, new_serial(), path_length=low_length
    )
    found = load_issuer(pem(low, middle), pem(root), ISSUING_KEY, NOW)
    assert found.room == room
    assert [found.has_room_for(length) for length in (0, 1, 2)] == [room > n for n in (0, 1, 2)]


def test_an_issuer_without_its_key_is_loaded_to_look_at() -> None:
    assert load_issuer(pem(ISSUING), pem(ROOT), None, NOW).key is None


def test_a_ca_without_key_usage_or_subject_key_identifier_is_loaded() -> None:
    found = load_issuer(pem(ca_like(key_usage=None)), pem(ROOT), ISSUING_KEY, NOW)
    same = public_keys.identifier(public_keys.spki(ISSUING_KEY.public_key))
    assert found.authority_key_identifier.key_identifier == same


def test_each_wrong_file_is_told_with_a_sentence(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    assert "cannot be read: No such file" in problem(nothing, pem(ROOT))
    assert "does not hold a certificate" in problem(write("hello"), pem(ROOT))
    assert "does not hold a certificate" in problem(pem(ISSUING), write(""))
    assert "holds 2 certificates" in problem(pem(ISSUING), pem(ROOT, ROOT))
    assert "holds the root itself" in problem(pem(ISSUING, ROOT), pem(ROOT))
    assert "holds the root itself" in problem(pem(ROOT), pem(ROOT))
    assert "not the certificate of a CA" in problem(pem(ca_like(ca=False)), pem(ROOT))
    assert "may not sign certificates" in problem(pem(ca_like(key_usage=False)), pem(ROOT))
    assert "does not belong to the CA key" in problem(pem(ISSUING), pem(ROOT), ROOT_KEY)


def test_a_root_that_allows_no_ca_below_it_is_refused() -> None:
    root = make_root(ROOT_KEY, "Root", NOW, new_serial(), path_length=0)
    issuing = make_issuing(ISSUING_KEY.public_key, "I", root, ROOT_KEY, NOW, new_serial())
    assert "allows 0 CAs below it, and 1 are there" in problem(pem(issuing), pem(root))


def test_another_root_is_refused() -> None:
    assert "was not issued by" in problem(pem(ISSUING), write(issuer_root(), "root.pem"))


def issuer_root() -> bytes:
    return x509.load_der_x509_certificate(issuer().root).public_bytes(Encoding.PEM)


def test_a_root_of_the_same_name_with_another_key_is_refused() -> None:
    impostor = make_root(key("ec:P-384"), "Root", NOW, new_serial())
    assert "was not issued by" in problem(pem(ISSUING), pem(impostor))


def test_what_is_not_a_root_is_refused_as_one() -> None:
    middle = make_issuing(
        ROOT_KEY.public_key, "Middle", ROOT, ROOT_KEY, NOW, new_serial(), path_length=1
    )
    low = make_issuing(ISSUING_KEY.public_key, "Low", middle, ROOT_KEY, NOW, new_serial())
    assert "is not a root: it did not sign itself" in problem(pem(low), pem(middle))


def test_a_ca_whose_validity_is_over_or_has_not_begun_is_refused() -> None:
    assert "which is not now" in problem(pem(ISSUING), pem(ROOT), days=-1)
    assert "which is not now" in problem(pem(ISSUING), pem(ROOT), days=6 * 366)
    assert "CN=Root" in problem(pem(ISSUING), pem(short_root()), days=2)


def short_root() -> x509.Certificate:
    return make_root(ROOT_KEY, "Root", NOW, new_serial(), lifetime=timedelta(days=1))


def test_the_last_second_of_a_ca_is_included() -> None:
    found = load_issuer(pem(ISSUING), pem(ROOT), None, ISSUING.not_valid_after_utc)
    assert found.not_after == ISSUING.not_valid_after_utc
    root_end = NOW.replace(microsecond=0) + ROOT_LIFETIME - timedelta(seconds=1)
    assert ROOT.not_valid_after_utc == root_end
