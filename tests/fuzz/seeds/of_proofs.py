"""Seeds of what is in `on_proofs`: proofs, checkpoints, a log's key, and paths in a tree."""

import json
from struct import pack

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto import checkpoint
from pipeline.crypto.merkle import leaf_hash
from pipeline.crypto.merkle_proof import consistency, inclusion
from pipeline.signer.audit.proof import Proof
from tests.fuzz import on_proofs
from tests.fuzz.seeds import Seeds
from tests.fuzz.seeds.of_certificates import issued_certificate


def proofs() -> Seeds:
    der = issued_certificate()
    fingerprint = x509.load_der_x509_certificate(der).fingerprint(SHA256()).hex()
    entry = json.dumps({"details": {"certificate": fingerprint}, "event": "state-changed"}).encode()
    signed = checkpoint.sign(1, leaf_hash(entry), on_proofs.LOG_KEY)
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
    proof = Proof("httpca-audit-proof", 1, 0, entry.decode(), [], signed.note, pem)
    yield "one-leaf", msgspec.json.encode(proof)
    larger = checkpoint.sign(on_proofs.LEAVES, b"\7" * 32, on_proofs.LOG_KEY)
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
    yield "key", str(checkpoint.verifier(on_proofs.LOG_KEY.public_key())).encode()


def paths() -> Seeds:
    for index in range(on_proofs.LEAVES):
        path = b"".join(inclusion(on_proofs.node, index, on_proofs.LEAVES))
        yield f"{index}", pack(">qqB", index, on_proofs.LEAVES, index) + path
    proof = b"".join(consistency(on_proofs.node, 1, on_proofs.LEAVES))
    yield "consistency", pack(">qqB", 1, on_proofs.LEAVES, 0) + proof
