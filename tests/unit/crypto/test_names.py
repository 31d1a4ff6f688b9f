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
