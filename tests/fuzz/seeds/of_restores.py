"""Seeds of what is in `on_restores`: a backup, and lines of exports."""

import tarfile
from io import BytesIO
from typing import Any

import msgspec

from pipeline.backup import archive, manifest
from pipeline.web.reconcile import Known
from tests import factories, recorded
from tests.fuzz import on_messages
from tests.fuzz.seeds import Seeds
from tests.fuzz.seeds.of_certificates import issued_certificate


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
    issued = held | {"state": "issued", "certificate": issued_certificate(), "issuer": "ab" * 32}
    yield "of-web-issued", b"\0" + msgspec.json.encode(issued)
