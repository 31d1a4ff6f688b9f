"""The head of the audit: signed, kept in files, told to the web side, and never quietly another one."""

import dataclasses
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select

from pipeline.crypto import checkpoint
from pipeline.crypto.note import split
from pipeline.errors import BrokerUnavailable, SettingsError
from pipeline.messages import CheckpointNotice, OutcomeBatch
from pipeline.run.signer_clock import SignerClock
from pipeline.signer.audit import proof
from pipeline.signer.audit.kept import LATEST, TOLD
from pipeline.signer.audit.verify import verify
from pipeline.signer.tables import audit, tree
from pipeline.stages import DELIVER
from tests.flow.audit_log import forge, unlock
from tests.flow.checkpoints import checkpoint_and_deliver, issue, next_head, told
from tests.flow.mortal import Killed, Mortal
from tests.flow.restored import back_up, restore
from tests.flow.world import World


def events(world: World, event: str) -> list[Any]:
    with world.signer_database.read() as connection:
        query = select(audit.c.details).where(audit.c.event == event).order_by(audit.c.id)
        return list(connection.scalars(query))


def folder(world: World) -> Path:
    return world.directory / "signer" / "data" / "checkpoints"


def test_heads_are_kept_and_told_and_each_continues_the_one_before(world: World) -> None:
    issue(world, "a.test")
    first = checkpoint_and_deliver(world)
    issue(world, "b.test")
    second = checkpoint_and_deliver(world)
    checkpoint_and_deliver(world)

    assert [(row.size, row.extends) for row in told(world)] == [
        (first.size, None),
        (second.size, first.size),
    ]
    assert [row.note for row in told(world)] == [first.note, second.note]
    assert told(world)[0].key == str(world.signer_clock.keeper.verifier)
    (month,) = folder(world).glob("????-??.txt")
    assert split(month.read_text()) == [first.note, second.note]
    assert {file.stat().st_mode & 0o077 for file in folder(world).iterdir()} <= {0o044, 0o040, 0}


def test_a_certificate_is_proved_to_be_on_record(world: World) -> None:
    requests = [issue(world, f"{letter}.test") for letter in "abc"]
    with pytest.raises(proof.NotYetSigned):
        proof.prove(world.signer_database, requests[1])
    world.signer_clock.sequence()
    with pytest.raises(proof.NotYetSigned):
        proof.prove(world.signer_database, requests[1])
    checkpoint_and_deliver(world)
    trusted = [world.signer_clock.keeper.verifier]

    for request in requests:
        made = proof.prove(world.signer_database, request)
        octets = msgspec.json.encode(made)
        checked = proof.check(octets, trusted)
        assert checked.entry["request_id"] == request
        assert checked.entry["details"]["to"] == "issued"
        assert checked.certificate.public_bytes(Encoding.DER) == world.certificate(request)


def test_each_issuance_says_by_which_key_and_which_certificate(world: World) -> None:
    request = issue(world, "a.test")
    (begun,) = events(world, "signing-begun")
    issuer = world.signer.issuers.current.fingerprint
    assert begun == {"issuer": issuer, "count": 1, "again": 0}
    (issued,) = [one for one in events(world, "state-changed") if one["to"] == "issued"]
    assert issued["issuer"] == issuer
    assert issued["certificate"] == sha256(world.certificate(request)).hexdigest()


def test_the_use_of_a_key_is_on_record_before_it_and_again_after_a_death(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: Any) -> bytes:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr("pipeline.signer.authority.sign", dies)
        with pytest.raises(Killed):
            world.submit("a.test", run=True)
    world.time.move(minutes=2)
    world.sweep()

    assert [(one["count"], one["again"]) for one in events(world, "signing-begun")] == [
        (1, 0),
        (0, 1),
    ]
    assert [one["to"] for one in events(world, "state-changed")][-1] == "issued"


def test_a_head_is_told_when_the_broker_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue(world, "a.test")

    def away(*_: Any) -> None:
        raise BrokerUnavailable("away")

    clock = SignerClock(dataclasses.replace(world.signer, send=away))
    with pytest.raises(BrokerUnavailable):
        clock.checkpoint()
    assert clock.keeper.kept.read(LATEST) is not None
    assert clock.keeper.kept.read(TOLD) is None

    latest = checkpoint_and_deliver(world)

    assert [row.size for row in told(world)] == [latest.size]


def test_a_head_that_was_lost_on_its_way_is_told_again(world: World) -> None:
    issue(world, "a.test")
    world.signer_clock.checkpoint()
    world.purge()
    assert told(world) == []
    world.signer_clock.announce()
    world.run()
    assert len(told(world)) == 1


def test_a_log_that_was_made_anew_is_not_signed_as_if_nothing_had_happened(world: World) -> None:
    issue(world, "a.test")
    issue(world, "b.test")
    first = checkpoint_and_deliver(world)
    with world.signer_database.write() as connection:
        unlock(connection)
        connection.execute(audit.update().where(audit.c.id == 1).values(event="another"))
        forge(connection)

    second = checkpoint_and_deliver(world)

    (fork,) = events(world, "audit-forked")
    assert (fork["kept_size"], fork["kept_root"]) == (first.size, first.root.hex())
    assert second.size == first.size + 1
    (kept,) = folder(world).glob("forked-*.txt")
    assert kept.read_text() == first.note
    assert [row.extends for row in told(world)] == [None, None]
    trusted = [world.signer_clock.keeper.verifier]
    report = verify(world.signer_database, trusted, [("the kept one", first)])
    assert [finding.kind for finding in report.findings] == ["rewritten"]
    assert len(report.forks) == 1


def test_a_log_that_is_shorter_than_its_kept_head_says_so(world: World) -> None:
    issue(world, "a.test")
    first = checkpoint_and_deliver(world)
    with world.signer_database.write() as connection:
        unlock(connection)
        connection.execute(audit.delete().where(audit.c.id > 1))
        forge(connection)
    assert checkpoint_and_deliver(world).size == 2
    assert events(world, "audit-forked")[0]["kept_size"] == first.size


def test_a_signer_that_was_restored_says_so_in_its_log(world: World) -> None:
    issue(world, "a.test")
    checkpoint_and_deliver(world)
    backup = back_up(world.signer_database)
    issue(world, "b.test")
    forgotten = checkpoint_and_deliver(world)
    restore(world.signer_database, backup)

    again = checkpoint_and_deliver(world)

    assert again.size < forgotten.size
    assert events(world, "audit-forked")[0]["kept_root"] == forgotten.root.hex()
    trusted = [world.signer_clock.keeper.verifier]
    assert verify(world.signer_database, trusted, []).findings == []
    report = verify(world.signer_database, trusted, [("the forgotten one", forgotten)])
    assert [finding.kind for finding in report.findings] == ["shorter"]


def test_a_head_that_comes_late_makes_no_break_of_its_own(world: World) -> None:
    """Of several workers one may read a message before another one has done what came before."""
    first = next_head(world)
    second, third = (next_head(world, deliver=False) for _ in range(2))
    for octets in reversed(world.waiting(DELIVER)):
        world.deliver(DELIVER, octets)
    fourth = next_head(world)

    assert [(row.size, row.extends) for row in told(world)] == [
        (first, None),
        (third, None),  # nobody could prove it: what it continues was not there
        (second, first),
        (fourth, third),
    ]


def test_a_signer_that_was_restored_with_its_folder_is_found_out_by_the_web_side(
    world: World,
) -> None:
    issue(world, "a.test")
    first = checkpoint_and_deliver(world)
    backup, kept = back_up(world.signer_database), world.directory / "kept"
    shutil.copytree(folder(world), kept)
    issue(world, "b.test")
    forgotten = checkpoint_and_deliver(world)
    restore(world.signer_database, backup)
    shutil.rmtree(folder(world))
    shutil.copytree(kept, folder(world))

    again, further = next_head(world), next_head(world)

    assert events(world, "audit-forked") == []  # it has no head that says so
    assert first.size < forgotten.size < again
    assert [(row.size, row.extends) for row in told(world)] == [
        (first.size, None),
        (forgotten.size, first.size),
        (again, None),
        (further, again),
    ]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2])
def test_the_keeper_may_be_killed_at_every_commit(world: World, at: int, after: bool) -> None:
    issue(world, "a.test")
    mortal = Mortal(world.signer_database, at, after=after)
    clock = SignerClock(dataclasses.replace(world.signer, database=mortal))
    with pytest.raises(Killed):
        clock.checkpoint()

    latest = checkpoint_and_deliver(world)

    assert [row.size for row in told(world)] == [latest.size]
    trusted = [world.signer_clock.keeper.verifier]
    assert verify(world.signer_database, trusted, [("kept", latest)]).findings == []
    with world.signer_database.read() as connection:
        notes = set(connection.scalars(select(tree.checkpoints.c.note)))
    assert notes == {latest.note}


def notice(world: World, size: int, root: bytes, **further: Any) -> CheckpointNotice:
    key = world.signer_clock.keeper
    signed = checkpoint.sign(size, root, key._key)
    return CheckpointNotice(note=signed.note, key=str(key.verifier), **further)


def test_the_web_side_keeps_what_contradicts_and_believes_no_proof_unseen(world: World) -> None:
    issue(world, "a.test")
    first = checkpoint_and_deliver(world)
    for made in (
        notice(world, first.size, bytes(32)),  # another root for the same size
        notice(world, first.size + 1, bytes(32), extends=first.size, proof=[bytes(32)]),
        notice(world, 2, bytes(32), extends=99, proof=[]),  # of one that nobody told us
    ):
        world.signer.send(DELIVER, OutcomeBatch(checkpoints=[made]))
        world.run()
    assert len(told(world)) == 4
    assert [row.extends for row in told(world)] == [None] * 4


def test_the_web_side_keeps_nothing_that_its_key_did_not_sign(world: World) -> None:
    issue(world, "a.test")
    world.signer_clock.keeper.sequence()
    good = notice(world, 1, bytes(32))
    for bad in (good.note.replace("\n1\n", "\n2\n"), "", "no note"):
        made = CheckpointNotice(note=bad, key=good.key)
        world.signer.send(DELIVER, OutcomeBatch(checkpoints=[made]))
        world.run()
    assert told(world) == []
    world.signer.send(DELIVER, OutcomeBatch(checkpoints=[good]))
    world.run()
    assert [one.note for one in told(world)] == [good.note]


def test_a_clock_without_the_logs_key_says_what_to_do(world: World, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(world.directory / "signer", bare)
    (bare / "audit.key").unlink()
    settings = msgspec.structs.replace(world.signer.settings, directory=str(bare))
    with pytest.raises(SettingsError, match="httpca audit new-key"):
        SignerClock(dataclasses.replace(world.signer, settings=settings))
