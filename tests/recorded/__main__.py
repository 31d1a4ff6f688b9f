"""Record the messages of this version: ``python -m tests.recorded``.

Once a version was released its files are never written again: a new form is a new version.
"""

import json
import shutil

from pipeline.crypto.identity import Sender
from pipeline.setup import files, message_ca
from tests.recorded import CURRENT, EXAMPLES, FOLDER, NOW, SENDERS, schema, seal


def make_identities() -> None:
    """Make the keys and certificates that sign the examples."""
    for name in ("trusted", "keys"):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        (FOLDER / name).mkdir()
    authority = message_ca.make("recorded messages' CA", NOW)
    files.write_certificate(FOLDER / "trusted" / "message-ca.pem", authority.certificate)
    for role, name in SENDERS.items():
        issued = message_ca.issue(authority, Sender(role, name), NOW)
        files.write_certificate(FOLDER / "trusted" / f"{name}.pem", issued.certificate)
        files.write_key(FOLDER / "keys" / f"{name}.key", issued.key)


def main() -> None:
    if not (FOLDER / "keys").exists():
        make_identities()
    CURRENT.mkdir(exist_ok=True)
    for old in CURRENT.iterdir():
        old.unlink()
    for name in EXAMPLES:
        (CURRENT / f"{name}.jws").write_bytes(seal(name) + b"\n")
    (CURRENT / "schema.json").write_text(json.dumps(schema(), indent=1, sort_keys=True) + "\n")
    print(f"{len(EXAMPLES)} messages in {CURRENT.relative_to(FOLDER.parent.parent)}")


if __name__ == "__main__":
    main()
