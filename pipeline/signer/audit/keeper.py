"""What `signer-clock` does for the log: sequence, sign the head, keep it, tell the web side.

A head is signed only when the tree continues the last one that this host kept in a file. When it does
not (the database was restored from a backup, or somebody changed it), that is put on record in the log,
the kept checkpoint stays as evidence, and signing goes on from what is there.
"""

from pathlib import Path

import structlog
from sqlalchemy import insert

from pipeline.crypto import checkpoint
from pipeline.crypto.checkpoint import Signed
from pipeline.crypto.merkle_proof import verify_consistency
from pipeline.database.advance import record
from pipeline.messages import CheckpointNotice, OutcomeBatch
from pipeline.signer.audit import key as log_key
from pipeline.signer.audit.kept import LATEST, TOLD, Kept
from pipeline.signer.audit.sequencer import AT_ONCE, read_head, sequence
from pipeline.signer.audit.stored import BrokenTree, StoredTree
from pipeline.signer.side import SignerSide
from pipeline.signer.tables import audit, tree
from pipeline.stages import DELIVER

log = structlog.get_logger(__name__)


class Keeper:
    """The keeper of the log, in the signer's folder ``directory``.

    Raises:
        SettingsError: the log's key is missing or wrong.
    """

    def __init__(self, side: SignerSide, directory: Path) -> None:
        self._side = side
        self._key = log_key.load(directory)
        self.verifier = checkpoint.verifier(self._key.public_key())
        public = directory / log_key.PUBLIC  # holds our former keys too, which signed what we kept
        former = log_key.load_verifiers(public) if public.exists() else []
        self.kept = Kept(directory / side.settings.checkpoints, [self.verifier, *former])

    def sequence(self) -> int:
        """Give every committed entry its place; return to how many."""
        total = 0
        while found := sequence(self._side.database):
            total += found
            if found < AT_ONCE:
                break
        return total

    def sign(self) -> Signed | None:
        """Sign the head if the log has grown, and keep it in database and file; return it.

        Raises:
            SettingsError: the checkpoint that was kept last cannot be read.
            NotKept: the folder of checkpoints cannot be written.
        """
        latest = self.kept.read(LATEST)  # before the head, which is never older then
        with self._side.database.read() as connection:
            head = read_head(connection).edge
        if latest is not None and self._proof(latest, head.size, head.root) is None:
            self._forked(latest, head.size, head.root)
            self.sequence()  # so that the next head says so itself
            return self.sign()
        if head.size == (0 if latest is None else latest.size):
            return None
        now = self._side.now()
        signed = checkpoint.sign(head.size, head.root, self._key)
        row = {
            "size": signed.size,
            "root": signed.root.hex(),
            "note": signed.note,
            "signed_at": now,
        }
        with self._side.database.write() as connection:
            connection.execute(insert(tree.checkpoints), row)
        self.kept.keep(signed, now)
        log.info("checkpoint-signed", size=signed.size, root=signed.root.hex())
        return signed

    def tell(self, *, again: bool = False) -> None:
        """Tell the web side the latest checkpoint, and prove that it continues the one told before.

        Raises:
            BrokerUnavailable: the broker did not take it; nothing is marked as told.
        """
        latest, told = self.kept.read(LATEST), self.kept.read(TOLD)
        if latest is None or (latest == told and not again):
            return
        proof = self._proof(told, latest.size, latest.root) if told is not None else None
        notice = CheckpointNotice(
            note=latest.note,
            key=str(self.verifier),
            extends=None if told is None or proof is None else told.size,
            proof=proof or [],
        )
        self._side.send(DELIVER, OutcomeBatch(checkpoints=[notice]))
        self.kept.write(TOLD, latest)

    def _proof(self, older: Signed, size: int, root: bytes) -> list[bytes] | None:
        """Return the proof that the tree continues a checkpoint; None when it does not."""
        if older.size > size:
            return None
        try:
            with self._side.database.read() as connection:
                proof = StoredTree(connection).consistency(older.size, size)
        except BrokenTree:
            return None
        return proof if verify_consistency(older.size, older.root, size, root, proof) else None

    def _forked(self, latest: Signed, size: int, root: bytes) -> None:
        details = {
            "kept_size": latest.size,
            "kept_root": latest.root.hex(),
            "size": size,
            "root": root.hex(),
        }
        log.error("audit-forked", **details)
        with self._side.database.write() as connection:
            record(connection, audit, "audit-forked", details, self._side.now())
        self.kept.put_aside(latest)
