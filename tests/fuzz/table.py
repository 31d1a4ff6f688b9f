"""All targets, by name."""

from typing import Final

from tests.fuzz import on_csrs, on_files, on_messages, on_web
from tests.fuzz.target import Target

TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for target in (
        on_csrs.CSR,
        on_csrs.SIGNED_CSR,
        on_csrs.NAME,
        on_messages.TOKEN,
        on_messages.PAYLOAD,
        on_messages.BODY,
        on_messages.SPOOL,
        on_messages.PROPERTIES,
        on_web.WEB,
        on_files.POLICY,
        on_files.SETTINGS,
        on_files.PROOF,
        on_files.VERIFIER,
        on_files.PATH,
        on_files.CERTIFICATE,
        on_files.IDENTITY,
        on_files.PATTERN,
        on_files.URI,
        on_files.BACKUP,
        on_files.EXPORT,
    )
}
