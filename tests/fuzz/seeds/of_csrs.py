"""Seeds of what is in `on_csrs`: CSRs of real tools, what a requester signs, and names."""

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests import factories
from tests.fuzz import on_csrs
from tests.fuzz.seeds import Seeds

KEYS: Final = ("ec:P-256", "ec:P-384", "ec:P-521", "rsa:2048", "ed25519", "rsa-pss:2048", "ED448")
NAMES: Final = (
    "DNS:www.example.test",
    "DNS:*.example.test",
    "DNS:xn--bcher-kva.example",
    "IP:192.0.2.1",
    "IP:2001:db8::1",
    "email:somebody@example.test",
    "URI:spiffe://example.test/service",
    "URI:https://example.test:8443/a%20b?c=d",
    "RID:1.2.3.4",
    "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:user@example.test",
)
SUBJECTS: Final = ("/", "/CN=www.example.test", '/C=DE/O=Bücher "& Söhne"/CN=a+serialNumber=7')


def to_der(pem: bytes) -> bytes:
    return x509.load_pem_x509_csr(pem).public_bytes(Encoding.DER)


def csrs() -> Seeds:
    for kind in KEYS:
        pem = factories.openssl_csr(kind)
        name = kind.replace(":", "-").lower()
        yield f"{name}.pem", pem
        yield f"{name}.der", to_der(pem)
    yield "names.pem", factories.openssl_csr(names=NAMES)
    yield (
        "many-names.der",
        to_der(factories.openssl_csr(names=tuple(f"DNS:{n}.example.test" for n in range(101)))),
    )
    for number, subject in enumerate(SUBJECTS):
        yield f"subject-{number}.pem", factories.openssl_csr(subject=subject)
    yield "no-names.pem", factories.openssl_csr(names=())
    yield "sha1.pem", factories.openssl_csr("rsa:2048", digest="sha1")
    text = factories.openssl("req", "-text", octets=factories.openssl_csr())
    yield "with-text.pem", text
    yield "two.pem", factories.openssl_csr() * 2
    yield "windows.pem", factories.openssl_csr().decode().replace("\n", "\r\n").encode("utf-16")
    yield "private-key.pem", factories.openssl_key("ec:P-384").replace(b"A", b"B")
    yield "certificate.pem", on_csrs.issuer().certificate.public_bytes(Encoding.PEM)
    extended = (
        "keyUsage=digitalSignature",
        "extendedKeyUsage=serverAuth",
        "tlsfeature=status_request",
    )
    options = tuple(part for one in extended for part in ("-addext", one))
    yield "extensions.pem", factories.openssl_csr(options=options)


def infos() -> Seeds:
    """CertificationRequestInfos for the key of the target."""
    kept = [("plain", ("DNS:www.example.test",), "/"), ("all", NAMES[:8], "/CN=www.example.test")]
    kept += [(f"kind-{at}", (name,), SUBJECTS[at % 3]) for at, name in enumerate(NAMES)]
    kept += [("none", (), "/CN=www.example.test")]
    pem = on_csrs.KEY.private_bytes(
        Encoding.PEM,
        PrivateFormat.PKCS8,
        NoEncryption(),
    )
    for name, names, subject in kept:
        extension = ["-addext", f"subjectAltName={','.join(names)}"] if names else []
        made = factories.openssl(
            "req", "-new", "-utf8", "-key", "/dev/stdin", "-subj", subject, *extension, octets=pem
        )
        yield f"{name}.der", x509.load_pem_x509_csr(made).tbs_certrequest_bytes


def names() -> Seeds:
    for door, texts in enumerate((
        ("www.example.com", "*.example.com.", "xn--bcher-kva.example", "Bücher.example", "a_b.c", "1.2.3.4", "a--b.c", "-"),
        ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0", "1.2.3"),
        ("a.b+c@example.com", "@", "*@example.com", "a@xn--bcher-kva.example"),
        ("spiffe://example.org/a/b", "https://[2001:db8::1]:443/?q#f", "urn:uuid:x", "a://b/%2e%2E/%c3%bc", "x://192.0.2.1:99999"),
    )):  # fmt: skip
        for number, text in enumerate(texts):
            yield f"{door}-{number}", bytes((door,)) + text.encode()
