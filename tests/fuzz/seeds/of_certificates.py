"""Seeds of what is in `on_certificates`: certificates, and keys of every kind."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.signer import authority
from tests import factories, recorded
from tests.fuzz import on_csrs
from tests.fuzz.seeds import Seeds


def issued_certificate() -> bytes:
    read = factories.read_csr()
    issuer = on_csrs.issuer()
    prepared = authority.prepare(read, on_csrs.generous(), issuer, factories.NOW, 1 << 152)
    return authority.assemble(prepared.tbs, authority.sign(prepared.tbs, issuer))


def certificates() -> Seeds:
    der = issued_certificate()
    tbs = x509.load_der_x509_certificate(der).tbs_certificate_bytes
    yield "tbs", b"\0" + tbs
    yield "certificate", b"\1" + der
    for number, file in enumerate(sorted((recorded.FOLDER / "trusted").glob("*.pem"))):
        yield f"trusted-{number}", b"\2" + file.read_bytes()
    issuer = on_csrs.issuer()
    pem = b"".join(
        x509.load_der_x509_certificate(one).public_bytes(Encoding.PEM)
        for one in (*issuer.chain, issuer.root)
    )
    yield "chain", b"\3" + pem
    yield "issuing", b"\3" + issuer.certificate.public_bytes(Encoding.PEM)


def identities() -> Seeds:
    for kind in ("ed25519", "ec:P-256", "rsa:2048"):
        yield f"key-{kind.replace(':', '-')}", b"\1" + factories.openssl_key(kind)
    locked = factories.openssl(
        "pkcs8", "-topk8", "-passout", "pass:x", octets=factories.openssl_key("ec:P-256")
    )
    yield "key-encrypted", b"\1" + locked
    yield "key-web", b"\1" + (recorded.FOLDER / "keys" / "web.key").read_bytes()
    for name in ("web", "approver", "message-ca"):
        yield (
            f"certificate-{name}",
            b"\0" + (recorded.FOLDER / "trusted" / f"{name}.pem").read_bytes(),
        )
