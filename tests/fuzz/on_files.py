"""Files and lines that people bring: policy, settings, proofs, certificates, backups, exports."""

import io
import os
import struct
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import make_url

from pipeline.backup import archive
from pipeline.backup.errors import BackupError
from pipeline.broker.tls import url_parameters
from pipeline.crypto import checkpoint, identity
from pipeline.crypto.csr import Csr
from pipeline.crypto.merkle import leaf_hash, node_hash
from pipeline.crypto.merkle_proof import (
    inclusion,
    range_hash,
    verify_consistency,
    verify_inclusion,
)
from pipeline.crypto.note import NoteRefused, Verifier
from pipeline.crypto.patterns import Pattern
from pipeline.crypto.trust import Trust
from pipeline.errors import HttpcaError, ItemFailed, SettingsError
from pipeline.signer import authority, policy_file
from pipeline.signer import reconcile as signer_reconcile
from pipeline.signer.audit import proof
from pipeline.signer.audit.kept import NoCheckpoint, read_file
from pipeline.signer.issuer import load_issuer
from pipeline.signer.keys.uri import KeyUri
from pipeline.signer.policy import explain
from pipeline.web import reconcile as web_reconcile
from settings import approver, signer, web
from settings.common import EMBEDDED
from settings.load import FILE, load
from settings.transport import unprotected
from tests import factories
from tests.fuzz import mutators, on_csrs
from tests.fuzz.on_messages import stages
from tests.fuzz.target import Target

LOG_KEY: Final = Ed25519PrivateKey.from_private_bytes(sha256(b"the log of the corpus").digest())
LEAVES: Final = 13
"""How many leaves the tree of the corpus has: not a power of two."""


@cache
def _folder() -> Path:
    """Return a folder in memory if there is one: each input is a file for a moment."""
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    kept = TemporaryDirectory(prefix="httpca-fuzz-", dir=where, ignore_cleanup_errors=True)
    _kept.append(kept)
    return Path(kept.name)


_kept: list[TemporaryDirectory[str]] = []


def _file(name: str, octets: bytes) -> Path:
    path = _folder() / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(octets)
    return path


@cache
def _requests() -> tuple[tuple[Csr, str | None], ...]:
    """Return what a policy is tried with."""
    return (
        (factories.read_csr("DNS:www.example.com", "IP:192.0.2.1"), None),
        (factories.read_csr("email:somebody@example.com", key_kind="ed25519"), "ci"),
        (factories.read_csr("URI:spiffe://example.org/service"), "deploy"),
    )


def read_policy(octets: bytes) -> None:
    """Read a policy file; one that is right has a verdict for everything."""
    policy = policy_file.load(_file("policy.toml", octets), issuers=("issuing",))
    for csr, requester in _requests():
        for profile in (*policy.profiles, "none"):
            found = explain(policy, csr, profile, requester, "api", at=factories.NOW)
            assert found.verdict.action in ("sign", "approve", "reject")


_ROLES: Final = (
    (web.WebSettings, "web", web.load_web),
    (signer.SignerSettings, "signer", signer.load_signer),
    (approver.ApproverSettings, "approver", approver.load_approver),
)


def read_settings(octets: bytes) -> None:
    """Read settings; lines that begin with HTTPCA_ are variables."""
    kind, role, whole = _ROLES[octets[0] % len(_ROLES)] if octets else _ROLES[0]
    lines = octets[1:].split(b"\n")
    variables = [line.decode("utf-8", "surrogateescape") for line in lines
                 if line.startswith(b"HTTPCA_")]  # fmt: skip
    environment = {name: value for name, _, value in (one.partition("=") for one in variables)}
    text = b"\n".join(line for line in lines if not line.startswith(b"HTTPCA_"))
    folder = _file(f"settings/{FILE}", text).parent
    load(kind, folder, role, environment)
    found = whole(folder)
    assert unprotected(found.broker) is not None
    for one in found.broker.split(";"):
        if one != EMBEDDED:
            url_parameters(one)
    if not isinstance(found, approver.ApproverSettings):
        make_url(found.database)


def read_proof(octets: bytes) -> None:
    """Check a proof from the audit, and the same octets as a file of kept checkpoints."""
    trusted = [checkpoint.verifier(LOG_KEY.public_key())]
    try:
        found = read_file(_file("kept", octets), trusted)
    except NoCheckpoint:
        found = []
    for one in found:
        assert checkpoint.read(one.note, trusted) == one
    checked = proof.check(octets, trusted)
    assert checked.head.size > 0


def read_verifier(octets: bytes) -> None:
    """Read a log's verifier key; it is written as it was read."""
    text = octets.decode("utf-8", "replace")
    found = Verifier.read(text)
    assert Verifier.read(str(found)) == found


@cache
def _nodes() -> dict[tuple[int, int], bytes]:
    nodes = {(0, number): leaf_hash(b"%d" % number) for number in range(LEAVES)}
    for level in range(1, 4):
        for number in range(LEAVES >> level):
            left, right = (nodes[level - 1, 2 * number + one] for one in (0, 1))
            nodes[level, number] = node_hash(left, right)
    return nodes


def node(level: int, number: int) -> bytes:
    """Return the hash of a complete subtree of the corpus's tree."""
    return _nodes()[level, number]


def read_path(octets: bytes) -> None:
    """Verify paths in a tree: only the leaf at its place, by its own path, is in it.

    Raises:
        NoteRefused: it is not.
    """
    if len(octets) < 17:
        raise NoteRefused("too short")
    index, size, which = struct.unpack(">qqB", octets[:17])
    path = [octets[at : at + 32] for at in range(17, len(octets), 32)]
    root = range_hash(node, 0, LEAVES)
    leaf = node(0, which % LEAVES)
    if verify_inclusion(leaf, index, size, path, root):
        assert size == LEAVES, "another size has the root of this tree"
        assert index == which % LEAVES, "a leaf is at another place"
        assert path == inclusion(node, index, size)
    elif not verify_consistency(index, leaf, size, root, path):
        raise NoteRefused("neither the one nor the other")
    else:
        assert (index, size) == (1, LEAVES)
        assert leaf == node(0, 0)


def read_certificate(octets: bytes) -> None:
    """Take octets for a TBS, a certificate, a trusted file and an issuing CA's file.

    Raises:
        ItemFailed: as a TBS.
        SettingsError: as a file.
    """
    csr, issuer = factories.read_csr(), on_csrs.issuer()
    door = octets[0] % 4 if octets else 0
    content = octets[1:]
    if door == 0:
        authority.ensure_usable(content, issuer, factories.NOW)
        authority.assemble(content, b"signature")
    elif door == 1:
        authority.verify(content, content, csr, on_csrs.generous(), issuer)
    elif door == 2:
        trusted = _file("trusted/one.pem", content).parent
        Trust(trusted)
    else:
        file = _file("issuing.pem", content)
        load_issuer(file, file, None, factories.NOW)


def read_identity(octets: bytes) -> None:
    """Take octets for a message key, and for its certificate."""
    recorded_in = Path(__file__).resolve().parent.parent / "recorded"
    file = _file("message.key", octets[1:])
    file.chmod(0o600)
    if octets and octets[0] & 1:
        identity.load(recorded_in / "trusted" / "web.pem", file)
    else:
        identity.load(file, recorded_in / "keys" / "web.key")


def read_pattern(octets: bytes) -> None:
    """Read a pattern; its canonical text reads as the same pattern."""
    text = octets.decode("utf-8", "replace")
    found = Pattern.parse(text)
    assert Pattern.parse(found.text) == found
    for csr, _ in _requests():
        for name in csr.names:
            found.matches(name)


def read_uri(octets: bytes) -> None:
    """Read where a key lies in a token; it is written as it was read."""
    found = KeyUri.parse(octets.decode("utf-8", "surrogateescape"))
    assert KeyUri.parse(str(found)) == found
    assert found.key


def read_backup(octets: bytes) -> None:
    """Unpack a backup; nothing comes to lie outside of the folder for it."""
    folder = Path(_folder(), "restore")
    folder.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=folder) as staging:
        (Path(staging) / "in").mkdir()
        try:
            archive.unpack(_file("backup.tar", octets), Path(staging) / "in")
        finally:
            assert os.listdir(staging) == ["in"]
            assert len(os.listdir(folder)) == 1


def read_export(octets: bytes) -> None:
    """Take lines for an export: of the signer to the web side, or the other way round; whole, or as
    they are."""
    world = stages().world
    lines = list(io.StringIO(octets[1:].decode("utf-8", "replace")))
    if octets and not octets[0] & 2:
        lines.append(f'{{"end": {len(lines)}}}')
    if octets and octets[0] & 1:
        web_reconcile.reconcile(world.web_database, lines, "fuzz", world.time())
    else:
        issuers = world.signer.issuers
        signer_reconcile.reconcile(world.signer_database, issuers, lines, "fuzz", world.time())


POLICY: Final = Target(
    "policy",
    read_policy,
    (SettingsError,),
    (
        "pipeline.signer.policy_file",
        "pipeline.signer.policy",
        "pipeline.signer.rules",
        "pipeline.signer.rule_problems",
        "pipeline.signer.people",
        "pipeline.signer.limits",
        "pipeline.signer.window",
        "pipeline.signer.toml_lines",
        "pipeline.crypto.profile",
        "pipeline.crypto.patterns",
        "pipeline.crypto.durations",
    ),
    mutators.lines,
    ("[profiles.", "[[rules]]", "[groups]", "[approvers]", "every_name", "limit", "hours", "zone"),
)
SETTINGS: Final = Target(
    "settings",
    read_settings,
    (SettingsError,),
    (
        "settings.load",
        "settings.web",
        "settings.signer",
        "settings.approver",
        "settings.common",
        "settings.issuer",
        "settings.passphrase",
        "settings.transport",
    ),
    mutators.after_byte(mutators.lines),
    ("role", "HTTPCA_WEB_", "HTTPCA_SIGNER_", "[http]", "[[issuers]]", "sqlite:///", "amqps://"),
)
PROOF: Final = Target(
    "proof",
    read_proof,
    (proof.ProofRefused,),
    (
        "pipeline.signer.audit.proof",
        "pipeline.signer.audit.kept",
        "pipeline.crypto.checkpoint",
        "pipeline.crypto.note",
    ),
    mutators.json_value,
    ("httpca-audit-proof", "checkpoints", "note", "httpca/audit/", "-----BEGIN CERTIFICATE-----"),
)
VERIFIER: Final = Target(
    "verifier", read_verifier, (NoteRefused,), ("pipeline.crypto.note",), mutators.octets
)
PATH: Final = Target(
    "path", read_path, (NoteRefused,), ("pipeline.crypto.merkle_proof",), mutators.octets
)
CERTIFICATE: Final = Target(
    "certificate",
    read_certificate,
    (ItemFailed, SettingsError),
    (
        "pipeline.crypto.der",
        "pipeline.crypto.trust",
        "pipeline.crypto.identity",
        "pipeline.signer.authority",
        "pipeline.signer.issuer",
    ),
    mutators.after_byte(mutators.der),
    ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"),
)
IDENTITY: Final = Target(
    "identity",
    read_identity,
    (SettingsError,),
    ("pipeline.crypto.identity", "pipeline.crypto.private_file"),
    words=("-----BEGIN PRIVATE KEY-----", "-----BEGIN ENCRYPTED PRIVATE KEY-----"),
)
PATTERN: Final = Target(
    "pattern",
    read_pattern,
    (ValueError,),
    ("pipeline.crypto.patterns", "pipeline.crypto.uris"),
    words=("*.", "*@", "/*", "spiffe://", "urn:", "/8", "::"),
)
URI: Final = Target(
    "uri",
    read_uri,
    (ValueError,),
    ("pipeline.signer.keys.uri",),
    words=("pkcs11:", "token=", "object=", "id=%", "module-path=", "pin-value="),
)
BACKUP: Final = Target(
    "backup",
    read_backup,
    (BackupError,),
    ("pipeline.backup.archive", "pipeline.backup.manifest"),
    words=("ustar", "manifest.json", "manifest.sha256", "folder/", "database", ".."),
)
EXPORT: Final = Target(
    "export",
    read_export,
    (HttpcaError,),
    ("pipeline.web.reconcile", "pipeline.signer.reconcile", "pipeline.database.export"),
    mutators.after_byte(mutators.json_value),
)
