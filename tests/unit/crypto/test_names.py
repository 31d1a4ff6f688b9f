from pipeline.crypto import names


def test_a_name_is_written_as_openssl_writes_it() -> None:
    assert str(names.dns("Example.COM")) == "DNS:example.com"
    assert str(names.ip("::1")) == "IP:::1"
    assert str(names.email("a@example.com")) == "email:a@example.com"
    assert str(names.canonical("uri", "urn:a:b")) == "URI:urn:a:b"
    assert str(names.upn("A@corp.test")) == "UPN:a@corp.test"


def test_people_are_shown_u_labels_and_the_certificate_keeps_a_labels() -> None:
    name = names.dns("*.XN--bcher-kva.example")
    assert name.value == "*.xn--bcher-kva.example"
    assert name.display() == "*.bücher.example"
    assert name.is_idn
    assert name.is_wildcard
    assert names.email("a@xn--bcher-kva.example").display() == "a@bücher.example"
    assert not names.dns("example.com").is_idn
    assert names.uri("urn:a:b").display() == "urn:a:b"


def test_of_a_uri_people_are_shown_its_host_with_u_labels_and_nothing_else_changed() -> None:
    name = names.uri("xn--a://xn--bcher-kva.example:8443/xn--bcher-kva?xn--bcher-kva")
    assert name.display() == "xn--a://bücher.example:8443/xn--bcher-kva?xn--bcher-kva"
    assert name.display_host() == "bücher.example"
    assert name.is_idn
    for text in (
        "https://[2001:db8::1]:1/xn--bcher-kva",
        "urn:xn--bcher-kva",
        "tag:a://xn--bcher-kva",
    ):
        assert names.uri(text).display() == text
