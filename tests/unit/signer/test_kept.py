"""Checkpoints in files: whole or not at all, also on a disk that is full."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.crypto import checkpoint
from pipeline.signer.audit.kept import LATEST, Kept, NotKept, read_file
from tests.factories import NOW

KEY = Ed25519PrivateKey.generate()
FIRST, SECOND, THIRD = (checkpoint.sign(size, bytes(32), KEY) for size in (1, 2, 3))
TRUSTED = [checkpoint.verifier(KEY.public_key())]


@contextmanager
def no_file_longer_than(octets: int) -> Iterator[None]:
    """Let the system write only so much: what is beyond is written in part, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_checkpoint_that_found_no_room_spoils_no_other(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept", TRUSTED)
    kept.keep(FIRST, NOW)
    month = next(kept.folder.glob("20*.txt"))

    with (
        no_file_longer_than(month.stat().st_size + 10),
        pytest.raises(NotKept, match=f"{month} cannot be written: File too large"),
    ):
        kept.keep(SECOND, NOW)
    assert kept.read(LATEST) == FIRST

    kept.keep(THIRD, NOW)
    assert read_file(month, TRUSTED) == [FIRST, THIRD]
    assert kept.read(LATEST) == THIRD


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        NotKept, match=f"{tmp_path}/file/kept/.* cannot be written: Not a directory"
    ):
        Kept(tmp_path / "file" / "kept", TRUSTED).keep(FIRST, NOW)
