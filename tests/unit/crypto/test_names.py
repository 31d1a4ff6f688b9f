import pytest

from pipeline.crypto import names, uris
from pipeline.crypto.names import Name
from pipeline.errors import Refused

ADDRESSES = [
    ("192.0.2.1", "192.0.2.1"),
    ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
    ("2001:0db8::0001", "2001:db8::1"),
    ("::1", "::1"),
    ("fe80::1", "fe80::1"),
]

NOT_ADDRESSES = [
    ("", names.NOT_IP),
    ("192.0.2", names.NOT_IP),
    ("192.0.2.256", names.NOT_IP),
    ("192.0.2.01", names.NOT_IP),  # octal for some readers
    ("192.0.2.1/24", names.NOT_IP),
    ("0x7f.0.0.1", names.NOT_IP),
    ("fe80::1%eth0", names.NOT_IP),  # a zone means something on one host only
    ("example.com", names.NOT_IP),
    ("::ffff:192.0.2.1", names.MAPPED_IP),  # IPv4 in disguise, which rules for IPv4 would miss
]

EMAILS = [
    ("user@example.com", "user@example.com"),
    ("User.Name+tag@EXAMPLE.com", "User.Name+tag@example.com"),  # the local part keeps its case
    ("o'brien@example.com", "o'brien@example.com"),
    ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
    ("x" * 64 + "@example.com", "x" * 64 + "@example.com"),
]

NOT_EMAILS = [
    "",
    "user",
    "@example.com",
    "user@",
    "us er@example.com",
    ".user@example.com",
    "us..er@example.com",
    '"quoted user"@example.com',
    "a@b@example.com",
    "user@*.example.com",
    "*@example.com",  # would read as a pattern
    "x" * 65 + "@example.com",
    "user@[192.0.2.1]",
    "user@exam_ple.com",
    "us\x00er@example.com",
    "user@example.com\n",
    "üser@example.com",
]

URIS = [
    ("spiffe://example.org/service", "spiffe://example.org/service"),
    ("SPIFFE://Example.ORG/Service", "spiffe://example.org/Service"),  # a path keeps its case
    ("https://example.com", "https://example.com"),
    ("https://example.com/", "https://example.com/"),
    ("https://example.com:8443/a?b=c", "https://example.com:8443/a?b=c"),
    ("https://example.com:0443/", "https://example.com:443/"),
    ("https://192.0.2.1/a", "https://192.0.2.1/a"),
    ("https://[2001:DB8::0:1]/a", "https://[2001:db8::1]/a"),
    ("https://example.com/%c3%bc", "https://example.com/%C3%BC"),  # hexadecimal in upper case
    ("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",) * 2,
    ("URN:isbn:0451450523", "urn:isbn:0451450523"),
    ("spiffe://example.org/a/", "spiffe://example.org/a/"),
]

NOT_URIS = [
    ("", uris.RELATIVE),
    ("example.com/path", uris.RELATIVE),
    ("/path", uris.RELATIVE),
    ("//example.com/path", uris.RELATIVE),
    ("urn:", uris.RELATIVE),
    ("spiffe://", uris.HOST),
    ("file:///etc/passwd", uris.HOST),
    ("https://exam_ple.com/", uris.HOST),
    ("https://*.example.com/", uris.HOST),
    ("https://example.com:99999/", uris.HOST),
    ("https://example.com:x/", uris.HOST),
    ("https://256.1.1.1/", uris.HOST),
    ("https://[::1/", uris.HOST),
    ("https://user@example.com/", uris.USER),
    ("https://example.com@evil.example/", uris.USER),  # the host is not the first part
    ("https://example.com/a#b", uris.FRAGMENT),
    ("https://example.com/a b", uris.CHARACTER),
    ("https://example.com/ü", uris.CHARACTER),
    ("https://example.com/a\\b", uris.CHARACTER),
    ("https://example.com/\x00", uris.CHARACTER),
    ("https://example.com/a\n", uris.CHARACTER),
    ("spiffe://example.org/a/../b", uris.SEGMENT),  # leads out of /a
    ("spiffe://example.org/./a", uris.SEGMENT),
    ("spiffe://example.org//a", uris.SEGMENT),
    ("spiffe://example.org/..", uris.SEGMENT),
    ("spiffe://example.org/%2e%2e/b", uris.PERCENT),  # .. in disguise
    ("spiffe://example.org/a%2Fb", uris.PERCENT),  # a slash in disguise
    ("spiffe://example.org/%41", uris.PERCENT),  # an A in disguise
    ("spiffe://example.org/%00", uris.PERCENT),
    ("spiffe://example.org/%", uris.PERCENT),
    ("spiffe://example.org/%zz", uris.PERCENT),
    ("spiffe://example.org/" + "a" * 2048, uris.TOO_LONG),
]


@pytest.mark.parametrize(("text", "expected"), ADDRESSES)
def test_an_ip_address_has_one_canonical_text(text: str, expected: str) -> None:
    assert names.ip(text) == names.ip(expected) == Name("ip", expected)


@pytest.mark.parametrize(("text", "template"), NOT_ADDRESSES)
def test_what_is_not_an_ip_address_is_refused(text: str, template: str) -> None:
    with pytest.raises(Refused) as caught:
        names.ip(text)
    assert (caught.value.slug, caught.value.template) == ("invalid-name", template)


@pytest.mark.parametrize(("text", "expected"), EMAILS)
def test_an_email_address_has_a_canonical_domain(text: str, expected: str) -> None:
    assert names.email(text) == names.email(expected) == Name("email", expected)


@pytest.mark.parametrize("text", NOT_EMAILS)
def test_what_is_not_an_email_address_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        names.email(text)
    assert caught.value.slug == "invalid-name"
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("text", "expected"), URIS)
def test_a_uri_has_one_canonical_form(text: str, expected: str) -> None:
    assert names.uri(text) == names.uri(expected) == Name("uri", expected)


@pytest.mark.parametrize(("text", "template"), NOT_URIS)
def test_what_is_not_a_uri_is_refused(text: str, template: str) -> None:
    with pytest.raises(Refused) as caught:
        names.uri(text)
    assert (caught.value.slug, caught.value.template) == ("invalid-name", template)
    assert len(str(caught.value)) < 400


def test_a_name_is_written_as_openssl_writes_it() -> None:
    assert str(names.dns("Example.COM")) == "DNS:example.com"
    assert str(names.ip("::1")) == "IP:::1"
    assert str(names.email("a@example.com")) == "email:a@example.com"
    assert str(names.canonical("uri", "urn:a:b")) == "URI:urn:a:b"


def test_people_are_shown_u_labels_and_the_certificate_keeps_a_labels() -> None:
    name = names.dns("*.XN--bcher-kva.example")
    assert name.value == "*.xn--bcher-kva.example"
    assert name.display() == "*.bücher.example"
    assert name.is_idn
    assert name.is_wildcard
    assert names.email("a@xn--bcher-kva.example").display() == "a@bücher.example"
    assert not names.dns("example.com").is_idn
    assert names.uri("urn:a:b").display() == "urn:a:b"
