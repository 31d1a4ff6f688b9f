from typing import Any

import pytest
from cryptography import x509

from pipeline.crypto import check
from pipeline.crypto import csr as csrs
from pipeline.crypto.csr import Csr
from pipeline.errors import Refused
from tests.factories import csr, openssl_csr, profile, read_csr


def refusal(found: Csr, **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        check.check(found, profile(**fields))
    assert str(caught.value).isprintable()
    return caught.value


@pytest.mark.parametrize(
    ("names", "fields"),
    [
        (["DNS:www.example.test"], {}),
        (["DNS:*.example.test"], {"wildcards": True}),
        (["DNS:xn--bcher-kva.example"], {"idn": True}),
        (["IP:192.0.2.1"], {"names": ["ip"]}),
        (["email:a@example.test", "URI:urn:a:b"], {"names": ["email", "uri"]}),
        (["DNS:a.test", "DNS:b.test"], {"max_names": 2}),
        (["DNS:a.test", "DNS:A.test", "DNS:a.test."], {"max_names": 1}),  # one name, three times
        (["DNS:a.test"], {"max_name_length": 6}),
    ],
)
def test_what_the_profile_allows_passes(names: list[str], fields: dict[str, Any]) -> None:
    check.check(read_csr(*names), profile(**fields))


@pytest.mark.parametrize(
    ("names", "fields", "slug", "template"),
    [
        (["IP:192.0.2.1"], {}, "name-not-allowed", check.KIND["ip"]),
        (["email:a@b.test"], {}, "name-not-allowed", check.KIND["email"]),
        (["URI:urn:a:b"], {}, "name-not-allowed", check.KIND["uri"]),
        (["DNS:a.test"], {"names": ["ip"]}, "name-not-allowed", check.KIND["dns"]),
        (["DNS:*.a.test"], {}, "name-not-allowed", check.WILDCARD),
        (["DNS:xn--bcher-kva.example"], {}, "name-not-allowed", check.IDN),
        (["DNS:ok.test", "DNS:*.a.test"], {}, "name-not-allowed", check.WILDCARD),
        (["DNS:ab.test"], {"max_name_length": 6}, "name-not-allowed", check.LENGTH),
        (["DNS:a.test", "DNS:b.test"], {"max_names": 1}, "too-many-names", check.TOO_MANY),
        (["DNS:a.test"], {"keys": ["ec:P-384"]}, "key-not-allowed", check.KEY),
        (["DNS:a.test"], {"keys": ["rsa:2048-4096"]}, "key-not-allowed", check.KEY),
        (["DNS:a.test"], {"key_usage": ["key_encipherment"]}, "key-not-allowed", check.USAGE),
    ],
)
def test_what_the_profile_does_not_allow_is_refused(
    names: list[str], fields: dict[str, Any], slug: str, template: str
) -> None:
    error = refusal(read_csr(*names), **fields)
    assert (error.slug, error.template) == (slug, template)


def test_three_hundred_names_are_refused_by_default_and_allowed_by_a_profile() -> None:
    found = read_csr(*(f"DNS:n{n}.example.test" for n in range(300)))
    error = refusal(found)
    assert error.slug == "too-many-names"
    assert "has 300 names; profile “server” allows 100" in str(error)
    check.check(found, profile(max_names=300))


def test_a_csr_without_names_is_told_how_to_add_them() -> None:
    error = refusal(csrs.read(openssl_csr(names=())))
    assert error.slug == "no-names"
    assert '-addext "subjectAltName=DNS:' in str(error)


@pytest.mark.parametrize(
    ("common_name", "told"),
    [
        ("www.example.test", "DNS:www.example.test"),
        ("192.0.2.1", "IP:192.0.2.1"),
        ("user@example.test", "email:user@example.test"),
        ("Office 7", "DNS:www.example.com"),  # it is no name at all
        ("`id`@example.test", "DNS:www.example.com"),  # and this nothing to put into a shell
    ],
)
def test_a_csr_with_only_a_common_name_is_told_to_request_it(common_name: str, told: str) -> None:
    error = refusal(csrs.read(csr((), common_name=common_name)))
    assert error.slug == "no-names"
    assert f'-addext "subjectAltName={told}"' in str(error)


def test_a_name_of_a_kind_that_is_never_issued_is_refused() -> None:
    other = x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))
    error = refusal(csrs.read(csr(["DNS:www.example.test", other])))
    assert (error.slug, error.template) == ("name-not-allowed", check.UNSUPPORTED)


@pytest.mark.parametrize("kind", ["ed448", "ec:secp256k1", "ec:secp224r1", "ec:brainpoolP256r1"])
def test_no_profile_allows_unusual_keys(kind: str) -> None:
    every = ["ec:P-256", "ec:P-384", "ec:P-521", "ed25519", "rsa:2048-16384"]
    assert refusal(csrs.read(openssl_csr(kind)), keys=every).slug == "key-not-allowed"
