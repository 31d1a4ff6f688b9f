"""What keys may be used for: usages, extended usages, and the powers that come with them."""

from typing import Final, Literal, get_args

KeyUsage = Literal[
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
]
"""RFC 5280 section 4.2.1.3; key_cert_sign and crl_sign are for CAs only."""

OF_AGREEMENT: Final = ("encipher_only", "decipher_only")
"""What says something only beside key_agreement, and can be asked for only then."""

USAGES: Final = tuple(usage for usage in get_args(KeyUsage) if usage not in OF_AGREEMENT)
"""All the others."""

Power = Literal["ca", "code_signing", "ocsp_signing", "free_subject"]
"""What a certificate is good for beyond being one of its names: to issue certificates, to vouch for
programs, to speak for the issuing CA, to bear what the requester wrote into the subject. Conditions
of rules look at none of these, so no rule signs them at once without saying so."""

_SIGNING: Final[frozenset[str]] = frozenset(
    {"digital_signature", "content_commitment", "key_cert_sign", "crl_sign"}
)
USAGES_OF_KEYS: Final[dict[str, frozenset[str]]] = {
    "rsa": _SIGNING | {"key_encipherment", "data_encipherment"},
    "ec": _SIGNING | {"key_agreement", "encipher_only", "decipher_only"},
    "ed25519": _SIGNING,
}
"""What each kind of key can do at all: RFC 3279 section 2.3.1, RFC 8813 section 3, RFC 8410
section 5. A certificate gets those of its profile's usages that its key can do."""

EXTENDED_KEY_USAGES: Final = {
    "server_auth": "1.3.6.1.5.5.7.3.1",
    "client_auth": "1.3.6.1.5.5.7.3.2",
    "code_signing": "1.3.6.1.5.5.7.3.3",
    "email_protection": "1.3.6.1.5.5.7.3.4",
    "ocsp_signing": "1.3.6.1.5.5.7.3.9",
}
TIME_STAMPING: Final = "1.3.6.1.5.5.7.3.8"
NAMES_OF_USES: Final = {oid: name for name, oid in EXTENDED_KEY_USAGES.items()}
POWERS: Final[dict[str, Power]] = {
    EXTENDED_KEY_USAGES["code_signing"]: "code_signing",
    EXTENDED_KEY_USAGES["ocsp_signing"]: "ocsp_signing",
}
