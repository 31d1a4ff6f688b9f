"""The trust folder while a side runs: revocation takes effect whatever else lies there."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from structlog.testing import capture_logs

from pipeline.crypto.identity import Identity
from pipeline.crypto.trust import LOOK_AGAIN, REVOKED, Trust
from pipeline.errors import MessageRefused, SettingsError
from tests.unit.crypto.message_world import APPROVER, WEB, MessageWorld


class Folder:
    """A trust folder with an approver in it, looked at again at each question."""

    def __init__(self, path: Path) -> None:
        self.world = MessageWorld(path)
        self.web = self.world.identity(WEB)
        self.approver = self.world.identity(APPROVER)
        ticks: Iterator[float] = (number * (LOOK_AGAIN + 1) for number in range(1000))
        self.trust = Trust(path, monotonic=lambda: next(ticks))

    def accepts(self, identity: Identity) -> bool:
        try:
            self.trust.accept(identity.certificate.thumbprint, self.world.moment)
        except MessageRefused:
            return False
        return True

    def revoke(self, identity: Identity) -> None:
        sender = identity.sender
        for file in self.world.folder.glob(f"{sender.role}-{sender.name}-*.pem"):
            file.unlink()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "trusted")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: (path / "x.pem").symlink_to("nowhere"), id="a dangling link"),
        pytest.param(lambda path: (path / "x.pem").write_text("rubbish"), id="rubbish"),
        pytest.param(lambda path: (path / "x.pem").mkdir(), id="a folder"),
        pytest.param(lambda path: (path / "x.pem").write_bytes(b"\xff" * 100), id="octets"),
        pytest.param(lambda path: (path / ".#x.pem").symlink_to("me@host.1:1"), id="a lock"),
    ],
)
def test_a_revocation_takes_effect_beside_a_file_that_is_wrong(
    spoil: object, folder: Folder
) -> None:
    assert callable(spoil)
    assert folder.accepts(folder.approver)
    spoil(folder.world.folder)
    assert folder.accepts(folder.approver)

    folder.revoke(folder.approver)

    assert not folder.accepts(folder.approver)
    assert folder.accepts(folder.web)


def test_a_link_whose_target_is_gone_is_revoked(folder: Folder, tmp_path: Path) -> None:
    (file,) = folder.world.folder.glob("approver-*.pem")
    target = tmp_path / "elsewhere.pem"
    file.rename(target)
    file.symlink_to(target)
    assert folder.accepts(folder.approver)

    target.unlink()

    assert not folder.accepts(folder.approver)


def test_a_message_ca_that_was_revoked_counts_no_more_when_a_copy_of_it_comes_back(
    folder: Folder,
) -> None:
    (file,) = folder.world.folder.glob("message-ca*.pem")
    keys = folder.trust.keys()
    revoked = folder.world.folder.parent / REVOKED
    revoked.mkdir()
    (revoked / file.name).write_bytes(file.read_bytes())
    assert not folder.accepts(folder.web)
    assert folder.trust.authorities == []
    assert folder.trust.keys() == keys  # for none of which a certificate is issued


def test_without_its_folder_a_side_trusts_nobody(folder: Folder) -> None:
    folder.world.folder.rename(folder.world.folder.with_name("away"))

    assert not folder.accepts(folder.web)


def test_who_is_added_is_accepted_without_a_restart(folder: Folder) -> None:
    another = folder.world.identity(APPROVER, trusted=False)
    assert not folder.accepts(another)

    folder.world.put("another", another.certificate.certificate)

    assert folder.accepts(another)


def test_what_could_not_be_read_for_a_moment_is_read_at_the_next_look_and_reported_once(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder.accepts(folder.web)
    read_bytes = Path.read_bytes

    def in_trouble(path: Path) -> bytes:
        if path.suffix == ".pem":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return read_bytes(path)

    with monkeypatch.context() as trouble, capture_logs() as logs:
        trouble.setattr(Path, "read_bytes", in_trouble)
        added = folder.world.identity(APPROVER)
        assert not folder.accepts(added)
        assert not folder.accepts(folder.web)

    reported = [line["problem"] for line in logs if line["event"] == "trusted-file-refused"]
    assert reported
    assert len(reported) == len(set(reported))
    assert folder.accepts(added)
    assert folder.accepts(folder.web)
    assert folder.trust.problems == []


def test_at_start_a_file_that_is_no_message_certificate_is_an_error(folder: Folder) -> None:
    key = folder.web.certificate.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder.world.folder / "key.pem").write_bytes(key)

    with pytest.raises(SettingsError, match=r"key\.pem"):
        Trust(folder.world.folder)
