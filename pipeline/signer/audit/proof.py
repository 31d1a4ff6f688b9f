"""A proof that one certificate is in the log: made from the database, checked without it."""

import re
from typing import Any, Final, Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, or_, select

from pipeline.crypto import checkpoint
from pipeline.crypto.certificates import certificate_from_der, certificate_from_pem
from pipeline.crypto.checkpoint import Checkpoint
from pipeline.crypto.merkle import leaf_hash
from pipeline.crypto.merkle_proof import verify_inclusion
from pipeline.crypto.note import NoteRefused, Verifier
from pipeline.database.engine import AnyRow, Database
from pipeline.errors import HttpcaError
from pipeline.signer.audit.entries import canonical, certificate_told, columns
from pipeline.signer.audit.stored import BrokenTree, StoredTree
from pipeline.signer.operate import NotFound
from pipeline.signer.tables import audit, certificates, tree

_SERIAL: Final = re.compile(r"[0-9a-f]{1,40}")


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that is needed to check it, but for the log's verifier key.

    ``entry`` is the entry's canonical JSON, ``leaf`` its number, ``path`` the hashes beside its way to
    the root (base64 in JSON), ``checkpoint`` the signed note, ``certificate`` PEM.
    """

    type: Literal["httpca-audit-proof"]
    v: Literal[1]
    leaf: int
    entry: str
    path: list[bytes]
    checkpoint: str
    certificate: str


class NotYetSigned(HttpcaError):
    """The certificate's entry is in no signed head of the log yet."""


class ProofRefused(HttpcaError):
    """A proof does not prove what it should."""


class Checked(msgspec.Struct, frozen=True):
    """What a proof proves: this entry, about this certificate, is in the log with this head."""

    entry: dict[str, Any]
    certificate: x509.Certificate
    head: Checkpoint


def prove(database: Database, wanted: str) -> Proof:
    """Prove that the certificate of a request, or of a serial number in hexadecimal, is in the log.

    Raises:
        NotFound: there is no such certificate.
        NotYetSigned: its entry is not in a signed head yet.
        BrokenTree: the tree does not lead to the signed head.
    """
    with database.snapshot() as connection:
        certificate = _certificate(connection, wanted)
        entry = _entry(connection, certificate)
        head = connection.execute(
            select(tree.checkpoints)
            .where(tree.checkpoints.c.size > entry.leaf)
            .order_by(tree.checkpoints.c.id.desc())
            .limit(1)
        ).one_or_none()
        if head is None:
            raise NotYetSigned("its entry is in no signed head of the log yet; try in a minute")
        path = StoredTree(connection).inclusion(entry.leaf, head.size)
    octets = canonical(entry.id, entry.moment, entry.event, entry.request, entry.text)
    root = bytes.fromhex(head.root)
    if not verify_inclusion(leaf_hash(octets), entry.leaf, head.size, path, root):
        raise BrokenTree("the audit's tree does not prove it; `httpca audit verify` says more")
    pem = certificate_from_der(certificate.certificate).public_bytes(Encoding.PEM)
    return Proof(
        type="httpca-audit-proof",
        v=1,
        leaf=entry.leaf,
        entry=octets.decode(),
        path=path,
        checkpoint=head.note,
        certificate=pem.decode("ascii"),
    )


def check(octets: bytes, trusted: list[Verifier]) -> Checked:
    """Check a proof, with nothing but the log's verifier key.

    Raises:
        ProofRefused: it is none, or does not prove what it says; says which step fails.
    """
    try:
        proof = msgspec.json.decode(octets, type=Proof)
        signed = checkpoint.read(proof.checkpoint, trusted)
        entry = msgspec.json.decode(proof.entry, type=dict[str, Any])
        certificate = certificate_from_pem(proof.certificate.encode())
        details = dict(entry["details"])
    except NoteRefused as error:
        raise ProofRefused(f"its checkpoint is not to be believed: {error}") from error
    except (msgspec.DecodeError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProofRefused(
            f"this is no proof as `httpca audit prove` writes it: {error}"
        ) from error
    hashed = leaf_hash(proof.entry.encode())
    if not verify_inclusion(hashed, proof.leaf, signed.size, proof.path, signed.root):
        raise ProofRefused(f"this entry is not leaf {proof.leaf} of the log with that head")
    if details.get("certificate") != certificate.fingerprint(SHA256()).hex():
        raise ProofRefused("its entry tells of another certificate than the one in the proof")
    return Checked(entry, certificate, signed.checkpoint)


def _certificate(connection: Connection, wanted: str) -> AnyRow:
    serial = wanted.replace(":", "").lower()
    matches = [certificates.c.serial == serial.rjust(40, "0")] if _SERIAL.fullmatch(serial) else []
    if len(serial.replace("-", "")) == 32 and "-" in serial:
        matches.append(certificates.c.request_id == serial)
    query = select(certificates).where(or_(*matches)) if matches else None
    row = None if query is None else connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"no certificate has the request id or the serial number {wanted}")
    return row


def _entry(connection: Connection, certificate: AnyRow) -> AnyRow:
    told = certificate_told(connection.dialect.name)
    query = (
        select(*columns(connection.dialect.name), tree.leaves.c.leaf)
        .join_from(audit, tree.leaves, tree.leaves.c.entry == audit.c.id, isouter=True)
        .where(audit.c.request_id == certificate.request_id, told.is_not(None))
        .order_by(audit.c.id)
    )
    row = connection.execute(query).first()
    if row is None:
        raise BrokenTree("no entry tells of this certificate; `httpca audit verify` says more")
    if row.leaf is None:
        raise NotYetSigned("its entry has no place in the log yet; try again in a minute")
    return row
