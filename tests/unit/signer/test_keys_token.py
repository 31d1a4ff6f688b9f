"""CA keys in tokens, on SoftHSM: they sign, never leave the token, and outlive lost sessions."""

import fcntl
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pkcs11 import Attribute, ObjectClass

from pipeline.errors import KeyUnavailable
from pipeline.signer.keys import SigningKey, TokenRefused
from pipeline.signer.keys.load import load_key
from pipeline.signer.keys.token import TokenKey, _as_der, generate
from pipeline.signer.keys.uri import KeyUri
from tests.factories import write
from tests.servers import SoftHsm
from tests.servers.softhsm import MODULE, PIN
from tests.unit.signer.conftest import Token, session_of


def verify(key: SigningKey, signature: bytes, octets: bytes) -> None:
    assert key.signature_hash is not None
    if isinstance(key.public_key, EllipticCurvePublicKey):
        key.public_key.verify(signature, octets, ec.ECDSA(key.signature_hash))
    else:
        assert isinstance(key.public_key, RSAPublicKey)
        key.public_key.verify(signature, octets, padding.PKCS1v15(), key.signature_hash)


@pytest.mark.parametrize(
    ("kind", "digest"),
    [
        ("ec:P-256", "sha256"),
        ("ec:P-384", "sha384"),
        ("ec:P-521", "sha512"),
        ("rsa:2048", "sha256"),
        ("rsa:4096", "sha384"),
    ],
)
def test_a_key_signs_as_one_in_a_file_does(token: Token, kind: str, digest: str) -> None:
    key: SigningKey = generate(token(), PIN, kind)
    assert key.kind == kind
    assert key.signature_hash is not None
    assert key.signature_hash.name == digest
    for octets in (b"tbs", b"x" * 5000):
        verify(key, key.sign(octets), octets)


@pytest.mark.parametrize("kind", ["ec:P-256", "rsa:2048"])
def test_a_key_that_is_made_in_a_token_never_leaves_it(token: Token, kind: str) -> None:
    uri = token()
    generate(uri, PIN, kind)
    (private,) = session_of(uri).get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
    for attribute in (
        Attribute.SENSITIVE,
        Attribute.ALWAYS_SENSITIVE,
        Attribute.NEVER_EXTRACTABLE,
        Attribute.LOCAL,
    ):
        assert private[attribute], attribute
    assert not private[Attribute.EXTRACTABLE]
    secret = Attribute.VALUE if kind.startswith("ec") else Attribute.PRIVATE_EXPONENT
    with pytest.raises(pkcs11.AttributeSensitive):
        private[secret]


def test_two_keys_of_one_token_work_side_by_side(token: Token) -> None:
    first = token()
    second = KeyUri.parse(str(first).replace("issuing", "next"))
    keys = [generate(first, PIN, "ec:P-256"), generate(second, PIN, "ec:P-384")]
    for key in [*keys, *keys]:
        verify(key, key.sign(b"tbs"), b"tbs")


def test_a_key_is_found_by_its_id_among_keys_of_the_same_label(token: Token) -> None:
    first = token()
    one = KeyUri.parse(str(first).replace("?", ";id=%01?"))
    two = KeyUri.parse(str(first).replace("?", ";id=%02?"))
    keys = [generate(uri, PIN, "ec:P-256") for uri in (one, two)]
    for uri, key in zip((one, two), keys, strict=True):
        found = TokenKey(uri, PIN)
        verify(key, found.sign(b"tbs"), b"tbs")
    with pytest.raises(TokenRefused, match="2 private keys labelled 'issuing'; add the id"):
        TokenKey(first, PIN)


def test_a_token_may_be_named_with_and_without_its_serial_number(token: Token) -> None:
    uri = token()
    made = generate(uri, PIN, "ec:P-256")
    serial = session_of(uri).token.serial.decode()
    exact = KeyUri.parse(str(uri).replace(";object", f";serial={serial};object"))
    verify(made, TokenKey(exact, PIN).sign(b"tbs"), b"tbs")
    verify(made, made.sign(b"tbs"), b"tbs")


def test_a_key_is_never_made_over_another(token: Token) -> None:
    uri = token()
    generate(uri, PIN, "ec:P-256")
    with pytest.raises(TokenRefused, match="something labelled 'issuing' already"):
        generate(uri, PIN, "ec:P-256")


@pytest.mark.parametrize("kind", ["ed25519", "rsa:1024", "ec:P-192", ""])
def test_other_kinds_are_not_made(token: Token, kind: str) -> None:
    with pytest.raises(ValueError, match="allowed are ec:P-256"):
        generate(token(), PIN, kind)


# --- what is lost comes back ---------------------------------------------------------------------


def close_session(uri: KeyUri) -> None:
    session_of(uri).close()


def end_library(_uri: KeyUri) -> None:
    pkcs11.lib(MODULE).finalize()


@pytest.mark.parametrize("lose", [close_session, end_library])
@pytest.mark.parametrize("kind", ["ec:P-256", "rsa:2048"])
def test_a_lost_session_is_opened_again(
    token: Token, kind: str, lose: Callable[[KeyUri], None]
) -> None:
    uri = token()
    key = generate(uri, PIN, kind)
    lose(uri)
    verify(key, key.sign(b"tbs"), b"tbs")


def test_a_token_that_is_gone_is_waited_for(token: Token, softhsm: SoftHsm) -> None:
    key = generate(token(), PIN, "ec:P-256")
    softhsm.take_out()
    try:
        for _ in range(3):
            with pytest.raises(KeyUnavailable):
                key.sign(b"tbs")
    finally:
        softhsm.put_in()
    verify(key, key.sign(b"tbs"), b"tbs")


def test_another_key_in_its_place_never_signs(token: Token) -> None:
    uri = token()
    key = generate(uri, PIN, "ec:P-256")
    for found in list(session_of(uri).get_objects()):
        found.destroy()
    with pytest.raises(KeyUnavailable, match="no private key labelled 'issuing'"):
        key.sign(b"tbs")
    generate(uri, PIN, "ec:P-256")
    for _ in range(2):
        with pytest.raises(KeyUnavailable, match="another key labelled 'issuing' than at our"):
            key.sign(b"tbs")


@pytest.mark.parametrize("kind", ["ec:P-256", "rsa:2048"])
def test_a_private_key_beside_the_public_one_of_another_signs_nothing(
    token: Token, kind: str
) -> None:
    """It is the token's fault, and no request's."""
    uri = token()
    generate(uri, PIN, kind)
    generate(KeyUri.parse(str(uri).replace("issuing", "other")), PIN, kind)
    session = session_of(uri)
    wanted = {Attribute.LABEL: "issuing", Attribute.CLASS: ObjectClass.PUBLIC_KEY}
    (public,) = session.get_objects(wanted)
    public.destroy()
    (other,) = session.get_objects({**wanted, Attribute.LABEL: "other"})
    other[Attribute.LABEL] = "issuing"
    key = TokenKey(uri, PIN)
    with pytest.raises(KeyUnavailable, match="labelled 'issuing' is no signature of its public"):
        key.sign(b"tbs")


def test_what_a_token_writes_in_another_form_is_no_signature(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = generate(token(), PIN, "ec:P-256")
    # As when r and s come in DER already.
    monkeypatch.setattr(f"{_as_der.__module__}._as_der", lambda raw: _as_der(_as_der(raw)))
    with pytest.raises(KeyUnavailable, match="is no signature"):
        key.sign(b"tbs")


def test_a_pin_that_was_refused_is_not_tried_again(token: Token, softhsm: SoftHsm) -> None:
    uri = token()
    key = generate(uri, PIN, "ec:P-256")
    softhsm.remove(uri.token)
    softhsm.add(uri.token, "a new pin")
    with pytest.raises(KeyUnavailable, match="refuses the PIN"):
        key.sign(b"tbs")
    with pytest.raises(KeyUnavailable, match="refused this PIN before, and is not asked again"):
        key.sign(b"tbs")


def _sign_elsewhere(key: SigningKey, queue: Any) -> None:
    queue.put(key.sign(b"tbs"))


def test_a_child_process_signs_by_a_session_of_its_own(token: Token) -> None:
    key = generate(token(), PIN, "ec:P-256")
    forking = multiprocessing.get_context("fork")
    queue = forking.Queue()
    child = forking.Process(target=_sign_elsewhere, args=(key, queue))
    child.start()
    verify(key, queue.get(timeout=120), b"tbs")
    child.join(120)
    verify(key, key.sign(b"tbs"), b"tbs")


def test_settings_name_a_key_in_a_token_and_where_its_pin_is(token: Token) -> None:
    uri = token()
    made = generate(uri, PIN, "ec:P-256")
    pin = write(PIN + "\n", "pin")
    found = load_key(str(uri), "file:pin", pin.parent)
    verify(made, found.sign(b"tbs"), b"tbs")
    assert PIN not in repr(found)


def test_processes_of_one_signer_log_in_one_after_the_other(token: Token) -> None:
    uri = token()
    generate(uri, PIN, "ec:P-256")
    folder = write(PIN, "pin").parent
    other = os.open(folder, os.O_RDONLY)
    with ThreadPoolExecutor() as pool:
        try:
            fcntl.flock(other, fcntl.LOCK_EX)  # as a process does that is logging in
            loading = pool.submit(load_key, str(uri), "file:pin", folder)
            with pytest.raises(TimeoutError):
                loading.result(timeout=0.5)
        finally:
            os.close(other)
        assert loading.result(timeout=60).kind == "ec:P-256"
