"""What `httpca policy explain` shows of the certificate: made of the CSR as `sign` would make it."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256

from pipeline.crypto.csr import Csr
from pipeline.errors import ItemFailed
from pipeline.run.signer_side import load_issuers
from pipeline.setup.ca import make_root
from pipeline.signer.issuer import Issuer
from pipeline.signer.keys.file import generate
from pipeline.signer.policy import Verdict
from pipeline.signer.preview import preview
from settings.signer import load_signer


@dataclass(frozen=True, slots=True)
class CertificateToBe:
    """``content`` is what it would contain; None when the verdict is a rejection, or when it could
    not be issued: then ``why_not`` says so. ``stand_in``: its issuer is made up."""

    content: dict[str, Any] | None
    why_not: str = ""
    stand_in: bool = False


def certificate_to_be(
    csr: Csr, verdict: Verdict, now: datetime, directory: Path | None
) -> CertificateToBe:
    """Return what would come of the verdict at the moment ``now``.

    ``directory`` is the signer's folder with the issuing CA; None where there is only a policy.
    """
    if verdict.action == "reject" or verdict.profile is None:
        return CertificateToBe(None)
    if directory is None:
        issuer = _stand_in(now)
    else:
        settings = load_signer(directory)
        issuers = load_issuers(settings, directory, lambda: now, signs=False)
        issuer = issuers.chosen(verdict.profile.issuer)
    try:
        content = preview(csr, verdict.profile, issuer, now)
    except ItemFailed as error:
        return CertificateToBe(None, str(error))
    return CertificateToBe(content, stand_in=directory is None)


def _stand_in(now: datetime) -> Issuer:
    """Return an issuing CA for the look of a certificate: extensions name its key."""
    key = generate("ec:P-256")
    certificate = make_root(key, "not known here", now, serial=1, path_length=None)
    return Issuer(certificate, certificate.fingerprint(SHA256()).hex(), (), b"", None)
