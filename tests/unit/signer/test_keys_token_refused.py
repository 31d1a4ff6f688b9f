"""What is wrong with a token, or with the key that is looked for in it, is refused with a sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from pipeline.errors import KeyUnavailable, SettingsError
from pipeline.signer.keys.load import load_key
from pipeline.signer.keys.module import module_at
from pipeline.signer.keys.token import generate
from tests.factories import write
from tests.servers.softhsm import MODULE, PIN
from tests.unit.signer.conftest import Token, session_of

Change = Callable[[str], str]
REFUSED: list[tuple[Change, str, str]] = [
    (lambda uri: uri, "0000", "refuses the PIN"),
    (lambda uri: uri.replace("libsofthsm2", "libnothing"), PIN, "cannot be loaded: .*libnothing"),
    (lambda uri: uri.replace(MODULE, "/usr/lib/os-release"), PIN, "cannot be loaded"),
    (lambda uri: uri.replace("token%20", "taken%20"), PIN, "there is no token 'taken .*has 'token"),
    (lambda uri: uri.replace(";", ";serial=ffff;"), PIN, "with serial number ffff"),
    (lambda uri: uri.replace("issuing", "nothing"), PIN, "has no private key labelled 'nothing'"),
    (lambda uri: uri.replace("?", ";id=%07?"), PIN, "has no private key .* and with id 07"),
    (lambda uri: uri.replace("issuing", "alone"), PIN, "has no public key labelled 'alone'"),
    (lambda uri: uri.replace("issuing", "idle"), PIN, "'idle' may not sign"),
    (lambda uri: uri.replace("issuing", "small"), PIN, "is rsa:1024; a CA key in a token is one"),
]


@pytest.mark.parametrize(("change", "pin", "problem"), REFUSED)
def test_what_is_wrong_is_refused_with_a_sentence(
    token: Token, change: Change, pin: str, problem: str
) -> None:
    uri = token()
    generate(uri, PIN, "ec:P-256")
    session = session_of(uri)
    session.generate_keypair(KeyType.RSA, 1024, label="small", store=True)
    session.generate_keypair(
        KeyType.RSA, 2048, label="idle", store=True, private_template={Attribute.SIGN: False}
    )
    public, _ = session.generate_keypair(KeyType.RSA, 2048, label="alone", store=True)
    public.destroy()
    module_at(MODULE).begin_anew()

    with pytest.raises(SettingsError, match=problem) as caught:
        load_key(change(str(uri)), f"file:{write(pin, 'pin')}", Path("/"))
    assert pin not in str(caught.value)


@pytest.mark.parametrize(
    "point", [b"", b"\x04\x41\x04" + b"\1" * 64], ids=["empty", "not-on-the-curve"]
)
def test_a_public_key_that_is_none_is_refused_with_a_sentence(token: Token, point: bytes) -> None:
    uri = token()
    key = generate(uri, PIN, "ec:P-256")
    session = session_of(uri)
    (public,) = session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY})
    curve = public[Attribute.EC_PARAMS]
    public.destroy()
    session.create_object(
        {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.KEY_TYPE: KeyType.EC,
            Attribute.LABEL: "issuing",
            Attribute.EC_PARAMS: curve,
            Attribute.EC_POINT: point,
            Attribute.TOKEN: True,
        }
    )
    module_at(MODULE).begin_anew()
    with pytest.raises(SettingsError, match="public key labelled 'issuing' cannot be read"):
        load_key(str(uri), f"file:{write(PIN, 'pin')}", Path("/"))
    with pytest.raises(KeyUnavailable, match="cannot be read"):  # and no request fails for it
        key.sign(b"tbs")


def test_a_curve_that_the_library_does_not_know_is_refused_with_a_sentence(token: Token) -> None:
    uri = token()
    session = session_of(uri)
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp160r1")}
    parameters = session.create_domain_parameters(KeyType.EC, curve, local=True)
    parameters.generate_keypair(label="issuing", store=True)
    module_at(MODULE).begin_anew()
    with pytest.raises(SettingsError, match=r"cannot be read \(.*is not supported\)"):
        load_key(str(uri), f"file:{write(PIN, 'pin')}", Path("/"))
