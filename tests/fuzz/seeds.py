"""Write the seeds of the corpus: ``python -m tests.fuzz.seeds [TARGET ...]``.

What real tools write, and what HttpCA writes itself. Keys and signatures are new each time, so the
files in the repository are not what this writes today; what fuzzing found lies beside them and stays.
"""

import hashlib
import json
import sys
import tarfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import msgspec
import pika
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import settings as settings_package
from pipeline.backup import archive, manifest
from pipeline.crypto import checkpoint
from pipeline.crypto.merkle import leaf_hash
from pipeline.crypto.merkle_proof import inclusion, range_hash
from pipeline.messages import (
    CheckpointNotice,
    IssuerNotice,
    Outcome,
    OutcomeBatch,
    Payload,
    Submission,
    SubmissionBatch,
)
from pipeline.signer import authority
from pipeline.signer.audit.proof import Proof
from pipeline.stages import STAGES
from pipeline.states import State
from pipeline.web.reconcile import Known
from tests import factories, recorded
from tests.fuzz import on_csrs, on_files, on_messages
from tests.fuzz.table import TARGETS
from tests.fuzz.target import CORPUS

EXAMPLE_POLICY: Final = Path(settings_package.__file__).parent / "policy.toml"
Seeds = Iterator[tuple[str, bytes]]

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


def _pem_to_der(pem: bytes) -> bytes:
    return x509.load_pem_x509_csr(pem).public_bytes(Encoding.DER)


def csrs() -> Seeds:
    for kind in KEYS:
        pem = factories.openssl_csr(kind)
        name = kind.replace(":", "-").lower()
        yield f"{name}.pem", pem
        yield f"{name}.der", _pem_to_der(pem)
    yield "names.pem", factories.openssl_csr(names=NAMES)
    yield (
        "many-names.der",
        _pem_to_der(
            factories.openssl_csr(names=tuple(f"DNS:{n}.example.test" for n in range(101)))
        ),
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


def tokens() -> Seeds:
    for file in sorted(recorded.CURRENT.glob("*.jws")):
        door = on_messages.QUEUES.index(recorded.queue_of(file.stem))
        yield file.stem, bytes((door,)) + file.read_bytes().strip()
    unsigned = b"eyJhbGciOiJub25lIn0.e30."
    yield "alg-none", b"\0" + unsigned


def payloads() -> Seeds:
    for name, body in recorded.EXAMPLES.items():
        queue = recorded.queue_of(name)
        stage = STAGES[queue]
        payload = Payload(
            1, recorded.MESSAGE_ID, stage.name, queue, recorded.NOW,
            msgspec.Raw(msgspec.json.encode(body)),
        )  # fmt: skip
        yield name, bytes((on_messages.QUEUES.index(queue),)) + msgspec.json.encode(payload)


def bodies() -> Seeds:
    doors = {stage.queue: number for number, stage in enumerate(on_messages.STAGED)}
    for name, body in recorded.EXAMPLES.items():
        if (queue := recorded.queue_of(name)) in doors:
            yield f"recorded.{name}", bytes((doors[queue],)) + msgspec.json.encode(body)
    for name, octets in csrs():
        der = octets if name.endswith(".der") else b""
        if der and len(der) < 3000:
            number = hashlib.sha256(name.encode()).hexdigest()[:12]
            one = Submission(
                f"01890000-0000-7000-8000-{number}", der, "server", "api", recorded.NOW, "ci", "[b]x[/b]"
            )  # fmt: skip
            yield f"submission.{name}", b"\0" + msgspec.json.encode(SubmissionBatch([one]))
    certificate, key_id = _certificate(), on_messages.KNOWN_ID
    for state in (State.WAITING_FOR_APPROVAL, State.WAITING_FOR_SIGNATURE, State.FAILED):
        outcome = Outcome(key_id, 3, state, recorded.NOW, "so")
        yield f"outcome.{state}", b"\2" + msgspec.json.encode(OutcomeBatch([outcome]))
    issued = Outcome(
        key_id, 9, State.ISSUED, recorded.NOW, certificate=certificate, issuer="ab" * 32
    )
    yield "outcome.issued", b"\2" + msgspec.json.encode(OutcomeBatch([issued]))
    issuer = on_csrs.issuer()
    notice = IssuerNotice(issuer.fingerprint, list(issuer.chain), issuer.root)
    yield "issuer", b"\2" + msgspec.json.encode(OutcomeBatch(issuers=[notice]))
    signed = checkpoint.sign(1, b"\1" * 32, on_files.LOG_KEY)
    key = str(checkpoint.verifier(on_files.LOG_KEY.public_key()))
    note = CheckpointNotice(signed.note, key)
    yield "checkpoint", b"\2" + msgspec.json.encode(OutcomeBatch(checkpoints=[note]))


def _certificate() -> bytes:
    read = factories.read_csr()
    issuer = on_csrs.issuer()
    prepared = authority.prepare(read, on_csrs.generous(), issuer, factories.NOW, 1 << 152)
    return authority.assemble(prepared.tbs, authority.sign(prepared.tbs, issuer))


def spooled() -> Seeds:
    for file in sorted(recorded.CURRENT.glob("*.jws")):
        yield file.stem, file.read_bytes().strip()


def properties() -> Seeds:
    for number, found in enumerate((
        pika.BasicProperties(headers={"k": 1, "l": [1, {"m": "n"}], "t": datetime(2026, 1, 1, tzinfo=UTC)}),
        pika.BasicProperties(content_type="a", delivery_mode=2, expiration="1", timestamp=1),
        pika.BasicProperties(),
    )):  # fmt: skip
        yield f"{number}", b"".join(found.encode())
    from tests.attacks.forge import RawHeaders, nested

    yield "nested", b"".join(RawHeaders(nested(300)).encode())


def web() -> Seeds:
    pem = factories.openssl_csr()
    one = {"csr": pem.decode(), "profile": "server", "comment": "<q>[b]"}
    yield "json", b"\0" + json.dumps(one).encode()
    yield "batch", b"\1" + json.dumps({"requests": [one, {"csr": "x"}, 7]}).encode()
    yield "der", b"\2" + _pem_to_der(pem)
    yield "pem", b"\3" + pem
    for door, texts in {
        4: ("application/json; charset=utf-16", "text/plain", "<q>"),
        5: ("state=issued&limit=2", "cursor=AAAA", "limit=0", "state=%00<q>"),
        6: ("application/pkix-cert", "*/*;q=0.1, application/pkcs7-mime", "application/x-pem-file"),
        7: ("wait=0", "respond-async; wait=1", 'wait="00"'),
        8: ("key", '"quoted"', "k" * 300),
        9: ("Bearer abc", "Basic eDp5", "Bearer "),
        10: ("ca", "requests/x", "static/../x", "%00", "api/v1/requests/" + str(uuid.UUID(int=1)), "language/de?to=//x"),
        11: ("csr=<q>&profile=server&comment=<q>&step=send", "csr=&key=k"),
        13: ("de, en;q=0.5", "*", "de-<q>"),
        14: ("session=eyJ.x.y; language=de", "session=<q>"),
        15: ("limit=3", "limit=x"),
    }.items():  # fmt: skip
        for number, text in enumerate(texts):
            yield f"{door}-{number}", bytes((door,)) + text.encode()
    form = {"csr": pem.decode().replace("+", "%2B"), "profile": "server", "comment": "hello"}
    yield "form", b"\13" + "&".join(f"{key}={value}" for key, value in form.items()).encode()
    part = b'--xx\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    upload = part % (b"profile", b"", b"server") + part % (b"file", b'; filename="<q>.csr"', pem)
    yield "multipart", b"\14" + upload + b"--xx--\r\n"


def policies() -> Seeds:
    yield "example", EXAMPLE_POLICY.read_bytes()
    yield "small", b'default = "reject"\n[profiles.server]\nkeys = ["rsa:2048-4096", "ed25519"]\n'
    yield (
        "people",
        (
            b'[groups]\nbuild = ["ci"]\n[approvers]\nsecurity = ["a", "b"]\n[same_person]\na = ["ci"]\n'
            b'[profiles.server]\n[[rules]]\nname = "x"\naction = "approve"\nquorum = 2\n'
            b'approvers = "security"\nexpires = "7d"\nremind_after = "1d"\nlimit = ["10/hour", "99/day"]\n'
            b'over_limit = "reject"\ngroups = ["build"]\nhours = "22:00-06:00"\ndays = ["mon"]\n'
            b'zone = "Europe/Berlin"\n'
        ),
    )
    yield (
        "rules",
        (
            b'[profiles.server]\nvalidity = "90d"\nnames = ["dns", "ip", "uri", "email"]\nwildcards = true\n'
            b'max_names = 3\n[[rules]]\nname = "r"\naction = "reject"\nreason = "no"\n'
            b'every_name = ["*.example.com", "10.0.0.0/8", "*@example.com", "spiffe://example.org/*"]\n'
            b'[[rules]]\nname = "s"\naction = "sign"\nany_name = ["www.example.com"]\nkeys = ["ec:P-256"]\n'
            b'[[rules]]\nname = "t"\naction = "sign"\nrequesters = ["ci"]\ntrust_web = true\nsources = ["api"]\n'
        ),
    )


def settings() -> Seeds:
    yield (
        "web",
        (
            b'\0role = "web"\ndatabase = "sqlite:///data/web.sqlite"\nbroker = "memory:"\n'
            b"HTTPCA_WEB_HTTP_PORT=81\nHTTPCA_WEB_PROFILES=server, client\n[http]\nanonymous = true\n"
            b"threads = 4\nlong_polls = 2\n[limits]\naddress = 3\n[log]\n[keep]\n[worker]\n"
        ),
    )
    yield (
        "web-postgresql",
        (
            b'\0role = "web"\ndatabase = "postgresql+psycopg://web:secret@127.0.0.1/web"\n'
            b'broker = "amqp://web:secret@127.0.0.1:5672/httpca"\nHTTPCA_WEB_TLS_CA=x\n'
        ),
    )
    yield (
        "signer",
        (
            b'\1role = "signer"\ndatabase = "sqlite:///data/signer.sqlite"\nHTTPCA_SIGNER_BROKER=memory:\n'
            b'[[issuers]]\nname = "a"\ncertificate = "a.pem"\nroot = "r.pem"\nkey = "a.key"\n'
            b'[[issuers]]\nname = "b"\ncertificate = "b.pem"\nroot = "r.pem"\nretiring = true\n'
            b'key = "pkcs11:token=t;object=o?module-path=/x"\n'
            b'passphrase = "file:pin"\n'
        ),
    )
    yield (
        "approver",
        b'\2role = "approver"\nname = "approver"\nsigner_database = "sqlite:///x"\nbroker = "amqps://h/"\n',
    )


def proofs() -> Seeds:
    der = _certificate()
    fingerprint = x509.load_der_x509_certificate(der).fingerprint(SHA256()).hex()
    entry = json.dumps({"details": {"certificate": fingerprint}, "event": "state-changed"}).encode()
    signed = checkpoint.sign(1, leaf_hash(entry), on_files.LOG_KEY)
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
    proof = Proof("httpca-audit-proof", 1, 0, entry.decode(), [], signed.note, pem)
    yield "one-leaf", msgspec.json.encode(proof)
    larger = checkpoint.sign(on_files.LEAVES, b"\7" * 32, on_files.LOG_KEY)
    yield (
        "path",
        msgspec.json.encode(
            msgspec.structs.replace(proof, path=[b"\1" * 32, b"\2" * 32], checkpoint=larger.note)
        ),
    )
    yield "note", signed.note.encode()
    yield "notes", (signed.note + "\n" + larger.note).encode()
    yield (
        "list",
        json.dumps({"checkpoints": [{"note": signed.note}, {"note": larger.note}]}).encode(),
    )


def verifiers() -> Seeds:
    yield "key", str(checkpoint.verifier(on_files.LOG_KEY.public_key())).encode()


def paths() -> Seeds:
    from struct import pack

    for index in range(on_files.LEAVES):
        path = b"".join(inclusion(on_files.node, index, on_files.LEAVES))
        yield f"{index}", pack(">qqB", index, on_files.LEAVES, index) + path
    from pipeline.crypto.merkle_proof import consistency

    proof = b"".join(consistency(on_files.node, 1, on_files.LEAVES))
    yield "consistency", pack(">qqB", 1, on_files.LEAVES, 0) + proof
    assert range_hash(on_files.node, 0, on_files.LEAVES)


def certificates() -> Seeds:
    der = _certificate()
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


def patterns() -> Seeds:
    for number, text in enumerate((
        "example.com", "*.example.com", "10.0.0.0/8", "fd00::/8", "192.0.2.1", "user@example.com",
        "*@example.com", "spiffe://example.org/a", "spiffe://example.org/*", "*.bücher.example",
        "urn:a:b", "https://[::1]/*", "*.*.x", "0.0.0.0/0",
    )):  # fmt: skip
        yield f"{number}", text.encode()


def uris() -> Seeds:
    yield "label", b"pkcs11:token=T%20x;object=L?module-path=/usr/lib/softhsm/libsofthsm2.so"
    yield "id", b"pkcs11:serial=12;token=T;id=%01%ff;type=private?module-path=%2Fx"
    yield "pin", b"pkcs11:token=T;object=L?pin-value=1&module-path=/x"


def backups() -> Seeds:
    files = {"settings.toml": b'role = "signer"\n', "ca/issuing.pem": b"x"}
    stated = manifest.Manifest(
        1, "0.1.0", "signer", recorded.NOW, ["ca"],
        {path: archive.content_of(octets) for path, octets in files.items()}, [],
    )  # fmt: skip
    target = factories.write(b"").parent / "backup.tar"
    archive.write(target, stated, files, None)
    yield "whole", target.read_bytes()
    link = BytesIO()
    with tarfile.open(fileobj=link, mode="w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.type, member.linkname = tarfile.SYMTYPE, "nowhere"
        tar.addfile(member)
    yield "link", link.getvalue()[:1536]


def exports() -> Seeds:
    known = Known(on_messages.KNOWN_ID, "ci", recorded.NOW, factories.csr(), "server", "api", "c")
    yield "of-signer", b"\1" + msgspec.json.encode(known)
    held: dict[str, Any] = {
        "id": on_messages.KNOWN_ID, "state": "rejected", "revision": 2, "reason": "no",
        "requester": None, "created_at": recorded.NOW, "csr": factories.csr(), "profile": "server",
        "source": "api", "comment": "", "certificate": None, "issuer": None,
    }  # fmt: skip
    yield "of-web", b"\0" + msgspec.json.encode(held)
    issued = held | {"state": "issued", "certificate": _certificate(), "issuer": "ab" * 32}
    yield "of-web-issued", b"\0" + msgspec.json.encode(issued)


SEEDS: Final[dict[str, Callable[[], Seeds]]] = {
    "csr": csrs,
    "signed_csr": infos,
    "name": names,
    "token": tokens,
    "payload": payloads,
    "body": bodies,
    "spool": spooled,
    "properties": properties,
    "web": web,
    "policy": policies,
    "settings": settings,
    "proof": proofs,
    "verifier": verifiers,
    "path": paths,
    "certificate": certificates,
    "identity": identities,
    "pattern": patterns,
    "uri": uris,
    "backup": backups,
    "export": exports,
}


def main() -> None:
    for name in sys.argv[1:] or TARGETS:
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, octets in SEEDS[name]():
            (folder / f"seed-{file}").write_bytes(octets)
        accepted = sum(TARGETS[name].accepts(file.read_bytes()) for file in TARGETS[name].corpus)
        print(f"{name}: {len(TARGETS[name].corpus)} inputs, {accepted} accepted")


if __name__ == "__main__":
    main()
