"""What an approval covers: one digest over everything that an approver is shown.

SHA-256 over canonical JSON (RFC 8785). The signer computes it from its own row and `approve` from
what it displays; a decision counts only when both agree.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785


@dataclass(frozen=True, slots=True)
class Approvable:
    """Everything that a decision is about. ``profile`` and ``rule`` are as they stood at `policy`.

    ``issuer`` is the SHA-256 fingerprint (hex) of the issuing CA's certificate.
    """

    request_id: str
    csr: bytes
    requester: str | None
    profile: Mapping[str, Any]
    rule: Mapping[str, Any]
    issuer: str

    def digest(self) -> str:
        """Return the digest as 64 hexadecimal digits."""
        canonical = rfc8785.dumps(
            {
                "csr": base64.b64encode(self.csr).decode("ascii"),
                "issuer": self.issuer,
                "profile": dict(self.profile),
                "request_id": self.request_id,
                "requester": self.requester,
                "rule": dict(self.rule),
            }
        )
        return hashlib.sha256(canonical).hexdigest()
