"""Write the seeds of the corpus: ``python -m tests.fuzz.seeds [TARGET ...]``.

What real tools write, and what HttpCA writes itself. Keys and signatures are new each time, so the
files in the repository are not what this writes today; what fuzzing found lies beside them and stays.
"""

import sys
from collections.abc import Callable
from typing import Final

from tests.fuzz.seeds import Seeds
from tests.fuzz.seeds.of_certificates import certificates, identities
from tests.fuzz.seeds.of_csrs import csrs, infos, names
from tests.fuzz.seeds.of_messages import bodies, payloads, properties, spooled, tokens
from tests.fuzz.seeds.of_proofs import paths, proofs, verifiers
from tests.fuzz.seeds.of_restores import backups, exports
from tests.fuzz.seeds.of_settings import patterns, policies, settings, uris
from tests.fuzz.seeds.of_web import web
from tests.fuzz.table import TARGETS
from tests.fuzz.target import CORPUS

SEEDS: Final[dict[str, Callable[[], Seeds]]] = {
    "csr": csrs,
    "signed_csr": infos,
    "name": names,
    "token": tokens,
    "payload": payloads,
    "body": bodies,
    "spool": spooled,
    "properties": properties,
    "web": web,
    "policy": policies,
    "settings": settings,
    "proof": proofs,
    "verifier": verifiers,
    "path": paths,
    "certificate": certificates,
    "identity": identities,
    "pattern": patterns,
    "uri": uris,
    "backup": backups,
    "export": exports,
}


def main() -> None:
    for name in sys.argv[1:] or TARGETS:
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, octets in SEEDS[name]():
            (folder / f"seed-{file}").write_bytes(octets)
        accepted = sum(TARGETS[name].accepts(file.read_bytes()) for file in TARGETS[name].corpus)
        print(f"{name}: {len(TARGETS[name].corpus)} inputs, {accepted} accepted")


if __name__ == "__main__":
    main()
