"""All targets, by name."""

from typing import Final

from tests.fuzz import (
    on_certificates,
    on_csrs,
    on_messages,
    on_proofs,
    on_restores,
    on_settings,
    on_web,
)
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
        on_settings.POLICY,
        on_settings.SETTINGS,
        on_proofs.PROOF,
        on_proofs.VERIFIER,
        on_proofs.PATH,
        on_certificates.CERTIFICATE,
        on_certificates.IDENTITY,
        on_settings.PATTERN,
        on_settings.URI,
        on_restores.BACKUP,
        on_restores.EXPORT,
    )
}
