"""Where a key lies in a token: PKCS #11 URIs (RFC 7512)."""

import pytest

from pipeline.signer.keys.uri import KeyUri

WHOLE = "pkcs11:token=My%20CA;serial=0a0b;object=issuing;id=%01%FF?module-path=/usr/lib/p.so"


def test_a_uri_is_read_and_written_in_one_form() -> None:
    found = KeyUri.parse(WHOLE)
    assert found == KeyUri("/usr/lib/p.so", "My CA", "0a0b", "issuing", b"\x01\xff")
    assert str(found) == WHOLE
    assert found.key == "labelled 'issuing' and with id 01ff"
    short = "pkcs11:id=%01;type=private;token=T?module-path=p.so"
    assert str(KeyUri.parse(short)) == "pkcs11:token=T;id=%01?module-path=p.so"


REFUSED = [
    ("ca/issuing.key", "a key in a token is written as pkcs11:token="),
    ("pkcs11:object=k?module-path=p.so", "token is missing"),
    ("pkcs11:token=T;object=k", "module-path is missing"),
    ("pkcs11:token=;object=k?module-path=p.so", "token is missing"),
    ("pkcs11:token=T?module-path=p.so", "object .* or id is missing"),
    ("pkcs11:token=T;object=k;type=public?module-path=p.so", "type=private"),
    ("pkcs11:token=T;object=k;colour=red?module-path=p.so", "'colour' is not known here; allowed"),
    ("pkcs11:token=T;token=U;object=k?module-path=p.so", "token is there twice"),
    ("pkcs11:token=T;object=k?module-path=p.so&pin-value=1234", "pin-value does not belong here"),
    ("pkcs11:token=T;object=k?module-path=p.so&pin-source=f", "say by `passphrase` where the PIN"),
    ("pkcs11:token=%FF;object=k?module-path=p.so", "token is not text in UTF-8"),
    ("pkcs11:token=T;object=%1b?module-path=p.so", "object holds something that cannot be seen"),
]


@pytest.mark.parametrize(("text", "problem"), REFUSED)
def test_other_forms_are_refused_with_what_is_right(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        KeyUri.parse(text)
    assert "1234" not in str(caught.value)
