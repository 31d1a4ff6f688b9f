"""A backup that is not as it was written is refused, before anything is written."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.backup import archive
from pipeline.cli import main
from tests.unit.backup.losses import Output, back_up

Spoil = Callable[[dict[str, bytes]], dict[str, bytes] | None]


def manifest_with(members: dict[str, bytes], **changes: object) -> dict[str, bytes]:
    """Change the manifest, and give it its right digest."""
    changed = json.dumps(json.loads(members[archive.MANIFEST]) | changes).encode()
    digest = archive.content_of(changed).sha256.encode()
    return members | {archive.MANIFEST: changed, archive.MANIFEST_DIGEST: digest}


def with_database(members: dict[str, bytes], octets: bytes) -> dict[str, bytes]:
    """Change the database, and give it its right digest."""
    stated = json.loads(members[archive.MANIFEST])["database"]
    content = archive.content_of(octets)
    stated |= {"size": content.size, "sha256": content.sha256}
    return manifest_with(members, database=stated) | {archive.DATABASE: octets}


SPOILT: dict[str, tuple[Spoil, str]] = {
    "a file changed": (
        lambda all_: all_ | {"folder/policy.toml": all_["folder/policy.toml"][:-1] + b"#"},
        "folder/policy.toml does not have its digest",
    ),
    "the database changed": (
        lambda all_: all_ | {"database": all_["database"][:-1] + b"#"},
        "database does not have its digest",
    ),
    "a file shortened": (
        lambda all_: all_ | {"folder/policy.toml": all_["folder/policy.toml"][:-1]},
        "folder/policy.toml does not have its digest",
    ),
    "a file missing": (
        lambda all_: {name: one for name, one in all_.items() if name != "folder/message.key"},
        "folder/message.key is missing",
    ),
    "no database": (
        lambda all_: {name: one for name, one in all_.items() if name != "database"},
        "database is missing",
    ),
    "a file too many": (
        lambda all_: all_ | {"folder/trusted/mallory.pem": b""},
        "folder/trusted/mallory.pem is not in its manifest",
    ),
    "the manifest changed": (
        lambda all_: all_ | {"manifest.json": all_["manifest.json"].replace(b'"signer"', b'"web"')},
        "the manifest does not have its digest",
    ),
    "a manifest of a later format": (
        lambda all_: manifest_with(all_, format=2),
        "has format 2, and this release reads format 1",
    ),
    "a manifest that is none": (
        lambda all_: manifest_with(all_, made_at="yesterday"),
        "its manifest cannot be read",
    ),
    "a path outside": (
        lambda all_: manifest_with(all_, folders=["../elsewhere"]),
        "outside of the folder",
    ),
    "a path from the root": (
        lambda all_: manifest_with(all_, files={"/etc/x": {"size": 0, "sha256": "0" * 64}}),
        "outside of the folder",
    ),
    "a revision of a later release": (
        lambda all_: manifest_with(
            all_,
            database=json.loads(all_["manifest.json"])["database"] | {"revision": "signer_9999"},
        ),
        "revision signer_9999, which this release does not know",
    ),
    "a database of another kind": (
        lambda all_: manifest_with(
            all_,
            database=json.loads(all_["manifest.json"])["database"] | {"kind": "postgresql"},
        ),
        "restore it to the same kind",
    ),
    "no SQLite": (lambda all_: with_database(all_, b"no database"), "is damaged"),
    "nothing at all": (lambda all_: {}, "is no"),
    "another archive": (lambda all_: {"hello": b""}, "does not begin with its manifest.json"),
    "cut off": (lambda all_: None, "is no whole backup"),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    ca = tmp_path_factory.mktemp("backup") / "ca"
    assert main(["setup", str(ca)]) == 0
    assert main(["migrate", "--config", str(ca / "signer")]) == 0
    return back_up(ca).read_bytes()


def spoilt(sound: bytes, spoil: Spoil) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(sound)) as tar:
        members = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
    changed = spoil(members)
    if changed is None:
        return sound[: len(sound) // 2]
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, octets in changed.items():
            member = tarfile.TarInfo(name)
            member.size = len(octets)
            tar.addfile(member, io.BytesIO(octets))
    return made.getvalue()


@pytest.mark.parametrize("name", SPOILT, ids=lambda name: name.replace(" ", "-"))
def test_a_spoilt_backup_is_refused_before_anything_is_written(
    name: str, sound: bytes, tmp_path: Path, capsys: Output
) -> None:
    spoil, why = SPOILT[name]
    file = tmp_path / "spoilt.tar"
    file.write_bytes(spoilt(sound, spoil))

    assert main(["restore", str(file), "--config", str(tmp_path / "signer")]) == 1

    assert why in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["spoilt.tar"]


def test_a_link_in_a_backup_is_refused(sound: bytes, tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "spoilt.tar"
    file.write_bytes(sound)
    with tarfile.open(file, "a") as tar:
        member = tarfile.TarInfo("folder/link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(member)
    assert main(["restore", str(file), "--config", str(tmp_path / "signer")]) == 1
    assert "folder/link is not in its manifest" in capsys.readouterr().err


def test_a_backup_can_be_checked_without_restoring_it(
    sound: bytes, tmp_path: Path, capsys: Output
) -> None:
    file = tmp_path / "b.tar"
    file.write_bytes(sound)
    assert main(["restore", str(file), "--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["role"] == "signer"
    octets = bytearray(sound)
    octets[sound.index(b"PRIVATE KEY")] ^= 1
    file.write_bytes(octets)
    assert main(["restore", str(file), "--check"]) == 1
    assert "does not have its digest" in capsys.readouterr().err
    assert main(["restore", str(file)]) == 2


def test_what_is_no_tar_is_no_backup(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "b.tar"
    file.write_bytes(b"PGDMP" * 500)
    assert main(["restore", str(file), "--check"]) == 1
    assert "is no whole backup" in capsys.readouterr().err
