"""A decision lies in the spool, whole, before it is sent."""

import os
from pathlib import Path

import pytest

from pipeline.approve.decision import seal
from pipeline.approve.desk import Desk
from pipeline.approve.spool import Spool, SpoolUnusable
from pipeline.clock import now
from pipeline.errors import MessageRefused
from tests.unit.approve.world import World, decided, make

ID = "01963d2a-0000-7000-8000-00000000000a"


def test_a_decision_comes_back_as_it_was_put_in(world: World, tmp_path: Path) -> None:
    decision = decided(ID, "reject", "no such host")
    message_id, octets = seal(decision, world.identity(), now)
    spool = Spool(tmp_path)
    spool.add(message_id, octets)
    assert (tmp_path / f"{message_id}.jws").read_bytes() == octets
    found, damaged = spool.list()
    assert [(one.message_id, one.octets, one.decision) for one in found] == [
        (message_id, octets, decision)
    ]
    assert damaged == []


def test_the_file_is_synced_before_it_has_its_name_and_the_folder_after(
    world: World, tmp_path: Path
) -> None:
    message_id, octets = seal(decided(ID), world.identity(), now)
    seen: list[tuple[str, bool]] = []

    def sync(descriptor: int) -> None:
        os.fsync(descriptor)
        kind = "folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file"
        seen.append((kind, (tmp_path / f"{message_id}.jws").exists()))

    Spool(tmp_path, sync).add(message_id, octets)
    assert seen == [("file", False), ("folder", True)]


def test_a_crash_while_writing_leaves_nothing_that_looks_like_a_decision(
    world: World, tmp_path: Path
) -> None:
    message_id, octets = seal(decided(ID), world.identity(), now)

    class Crash(BaseException):
        pass

    def crash(descriptor: int) -> None:
        raise Crash

    with pytest.raises(Crash):
        Spool(tmp_path, crash).add(message_id, octets)
    assert Spool(tmp_path).list() == ([], [])
    Spool(tmp_path).add(message_id, octets)
    assert len(Spool(tmp_path).list()[0]) == 1


def test_a_full_disk_is_told_and_leaves_no_draft(world: World, tmp_path: Path) -> None:
    message_id, octets = seal(decided(ID), world.identity(), now)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(SpoolUnusable, match=r"No space left on device.*nothing was sent"):
        Spool(tmp_path, full).add(message_id, octets)
    assert not [file for file in tmp_path.iterdir() if message_id in file.name]


def test_a_missing_spool_is_told(world: World, tmp_path: Path) -> None:
    message_id, octets = seal(decided(ID), world.identity(), now)
    with pytest.raises(SpoolUnusable, match="No such file"):
        Spool(tmp_path / "missing").add(message_id, octets)
    assert Spool(tmp_path / "missing").list() == ([], [])


def test_only_its_owner_can_read_a_decision(world: World, tmp_path: Path) -> None:
    message_id, octets = seal(decided(ID), world.identity(), now)
    Spool(tmp_path).add(message_id, octets)
    assert (tmp_path / f"{message_id}.jws").stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_is_told_and_hides_no_other(world: World, tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    message_id, octets = seal(decided(ID), world.identity(), now)
    spool.add(message_id, octets)
    (tmp_path / f"{ID}.jws").write_bytes(octets[:100])
    found, damaged = spool.list()
    assert [one.message_id for one in found] == [message_id]
    assert len(damaged) == 1
    assert ID in str(damaged[0])


def test_a_message_under_another_name_is_no_decision(world: World, tmp_path: Path) -> None:
    _, octets = seal(decided(ID), world.identity(), now)
    with pytest.raises(MessageRefused, match="another-message"):
        Spool(tmp_path).add(ID, octets)


def test_what_is_recorded_is_removed_and_removing_again_is_harmless(
    desk: Desk, world: World
) -> None:
    spooled = make(desk, world.add())
    desk.spool.remove(spooled.message_id)
    desk.spool.remove(spooled.message_id)
    assert desk.spool.list() == ([], [])
