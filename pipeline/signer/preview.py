"""What certificate would come of a CSR, made by the very code that issues, and never signed."""

import secrets
from datetime import datetime
from typing import Any

from cryptography import x509

from pipeline.crypto.csr import Csr
from pipeline.crypto.profile import Profile
from pipeline.crypto.subject import text_of
from pipeline.crypto.told import dropped, reach
from pipeline.crypto.usages import NAMES_OF_USES, OF_AGREEMENT, USAGES
from pipeline.signer import authority
from pipeline.signer.issuer import Issuer
from pipeline.signer.lint import LINTER


def preview(csr: Csr, profile: Profile, issuer: Issuer, now: datetime) -> dict[str, Any]:
    """Return what the certificate would contain if it were issued now, in plain JSON types.

    Raises:
        ItemFailed: it could not be issued, and why.
    """
    serial = authority.new_serial(secrets.token_bytes)
    made = authority.prepare(csr, profile, issuer, now, serial)
    LINTER.ensure_clean(made, profile, every=True)
    certificate = x509.load_der_x509_certificate(authority.assemble(made.tbs, b""))
    return {
        "issuer": certificate.issuer.rfc4514_string(),
        "subject": text_of(certificate.subject),
        "names": [str(name) for name in csr.names],
        "dropped": list(dropped(csr, profile)),
        "not_before": made.not_before.isoformat(),
        "not_after": made.not_after.isoformat(),
        "extensions": {
            extension.oid._name: {
                "critical": extension.critical,
                "value": reach(profile)
                if isinstance(extension.value, x509.NameConstraints)
                else _value(extension.value),
            }
            for extension in certificate.extensions
        },
    }


def _value(value: x509.ExtensionType) -> str:
    if isinstance(value, x509.KeyUsage):
        names = USAGES + (OF_AGREEMENT if value.key_agreement else ())
        return ", ".join(name for name in names if getattr(value, name))
    if isinstance(value, x509.ExtendedKeyUsage):
        return ", ".join(
            NAMES_OF_USES.get(usage.dotted_string, usage.dotted_string) for usage in value
        )
    if isinstance(value, x509.BasicConstraints):
        return f"a CA, path length {value.path_length}" if value.ca else "no CA"
    if isinstance(value, x509.CertificatePolicies):
        return ", ".join(policy.policy_identifier.dotted_string for policy in value)
    if isinstance(value, x509.OCSPNoCheck):
        return "nobody asks whether it is revoked"
    return ""
