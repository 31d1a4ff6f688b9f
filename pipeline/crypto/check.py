"""A CSR against a profile: what the requester may not have, and what to do instead."""

import re
from typing import Final

from pipeline.crypto import names, spiffe, subject
from pipeline.crypto.csr import Csr
from pipeline.crypto.names import Kind, Name
from pipeline.crypto.profile import Profile
from pipeline.crypto.public_keys import KeyRule
from pipeline.crypto.visible import visible
from pipeline.errors import N_, Refused

_FOR_SHELLS: Final = re.compile(r"[$`!]")
"""What means something to a shell even in quotes: no command is proposed with it."""

NO_NAMES: Final = N_(
    "The CSR has no subject alternative names. Make it again with the names that the certificate is"
    ' for, for example with: openssl req -new … -addext "subjectAltName=DNS:www.example.com"'
)
ONLY_COMMON_NAME: Final = N_(
    "The CSR has the common name “%(name)s”, but no subject alternative names, and only these are"
    " used. Make it again, for example with: openssl req -new … -addext"
    ' "subjectAltName=%(san)s"'
)
TOO_MANY: Final = N_(
    "The CSR has %(count)d names; profile “%(profile)s” allows %(allowed)d. Spread them over"
    " several CSRs."
)
UNSUPPORTED: Final = N_(
    "The CSR requests “%(name)s”, a name of a kind that is never issued here. Remove it."
)
KIND: Final[dict[Kind, str]] = {
    "dns": N_(
        "Profile “%(profile)s” allows no DNS names, but the CSR requests “%(name)s”. Remove it or"
        " choose another profile."
    ),
    "ip": N_(
        "Profile “%(profile)s” allows no IP addresses, but the CSR requests “%(name)s”. Remove it"
        " or choose another profile."
    ),
    "email": N_(
        "Profile “%(profile)s” allows no e-mail addresses, but the CSR requests “%(name)s”. Remove"
        " it or choose another profile."
    ),
    "uri": N_(
        "Profile “%(profile)s” allows no URIs, but the CSR requests “%(name)s”. Remove it or choose"
        " another profile."
    ),
    "upn": N_(
        "Profile “%(profile)s” allows no user principal names, but the CSR requests “%(name)s”."
        " Remove it or choose another profile."
    ),
}
TOO_MANY_OF_KIND: Final = N_(
    "The CSR has %(count)d names of the kind “%(kind)s”; profile “%(profile)s” allows %(allowed)d."
    " Spread them over several CSRs."
)
SPIFFE: Final = N_(
    "Profile “%(profile)s” wants exactly one URI, which is the SPIFFE ID of a workload, as in"
    " “spiffe://example.org/service”. The CSR does not have that."
)
EXTRA_SUBJECT: Final = N_(
    "The CSR's subject has “%(name)s”, which profile “%(profile)s” does not take over. Make the CSR"
    " again without it."
)
EXTRA_EXTENSION: Final = N_(
    "The CSR asks for the extension “%(name)s”, which certificates of profile “%(profile)s” do not"
    " have so. Make the CSR again without it, or choose another profile."
)
WILDCARD: Final = N_(
    "Profile “%(profile)s” allows no wildcards, but the CSR requests “%(name)s”. List each name by"
    " itself or choose another profile."
)
IDN: Final = N_(
    "Profile “%(profile)s” allows no international domain names, but the CSR requests “%(name)s”."
    " Remove it or choose another profile."
)
LENGTH: Final = N_(
    "“%(name)s” is longer than the %(allowed)d characters that profile “%(profile)s” allows."
)
KEY: Final = N_(
    "Profile “%(profile)s” does not allow this key (%(key)s). Make a new key of a kind that it"
    " allows: %(allowed)s."
)
USAGE: Final = N_(
    "A key of this kind (%(key)s) cannot do anything that profile “%(profile)s” is for. Make an RSA"
    " key or choose another profile."
)


def check(csr: Csr, profile: Profile) -> None:
    """Check that a certificate may be made from the CSR under the profile.

    Raises:
        Refused: ``key-not-allowed``, ``no-names``, ``too-many-names``, ``name-not-allowed``,
            ``subject-not-allowed`` or ``extension-not-allowed``.
    """
    _check_key(csr, profile)
    if csr.unsupported_names:
        raise Refused("name-not-allowed", UNSUPPORTED, name=csr.unsupported_names[0])
    if profile.names:
        check_presence(csr)
    _check_count(csr, profile)
    for name in csr.names:
        _check_name(name, profile)
    uris = [name for name in csr.names if name.kind == "uri"]
    if profile.spiffe and not (len(uris) == 1 and spiffe.is_workload(uris[0])):
        raise Refused("name-not-allowed", SPIFFE, profile=profile.name)
    _check_extras(csr, profile)


def check_presence(csr: Csr) -> None:
    """Check that there is a name at all.

    Raises:
        Refused: ``no-names``.
    """
    if csr.names:
        return
    kinds: tuple[Kind, ...] = ("dns", "ip", "email")
    for kind in kinds:
        try:
            name = names.canonical(kind, csr.common_name or "")
        except Refused:
            continue
        if _FOR_SHELLS.search(name.value):
            continue
        raise Refused("no-names", ONLY_COMMON_NAME, name=name.value, san=str(name))
    raise Refused("no-names", NO_NAMES)


def _check_count(csr: Csr, profile: Profile) -> None:
    if len(csr.names) > profile.max_names:
        raise Refused(
            "too-many-names",
            TOO_MANY,
            count=len(csr.names),
            profile=profile.name,
            allowed=profile.max_names,
        )
    for kind, most in profile.most_of_kind().items():
        count = sum(name.kind == kind for name in csr.names)
        if count > most:
            raise Refused(
                "too-many-names",
                TOO_MANY_OF_KIND,
                count=count,
                kind=kind,
                profile=profile.name,
                allowed=most,
            )


def _check_extras(csr: Csr, profile: Profile) -> None:
    """Check what goes into the subject, and what would be left out of subject and extensions."""
    taken = subject.compose(csr, profile)
    if profile.extra_subject == "refuse":
        for part in subject.left_out(csr, taken):
            raise Refused(
                "subject-not-allowed", EXTRA_SUBJECT, name=str(part), profile=profile.name
            )
    for request in csr.extensions:
        refused = (
            not request.fits(profile)
            if profile.extra_extensions == "refuse"
            else profile.extra_extensions == "refuse_dangerous" and request.is_dangerous(profile)
        )
        if refused:
            name = visible(str(request), 200)
            raise Refused("extension-not-allowed", EXTRA_EXTENSION, name=name, profile=profile.name)


def _check_key(csr: Csr, profile: Profile) -> None:
    if not any(KeyRule.parse(rule).admits(csr.key) for rule in profile.keys):
        raise Refused(
            "key-not-allowed",
            KEY,
            profile=profile.name,
            key=csr.key.text,
            allowed=", ".join(profile.keys),
        )
    if not profile.usages_for(csr.key.family):
        raise Refused("key-not-allowed", USAGE, profile=profile.name, key=csr.key.text)


def _check_name(name: Name, profile: Profile) -> None:
    fault = _name_fault(name, profile)
    if fault is not None:
        raise Refused(
            "name-not-allowed",
            fault,
            name=visible(name.value, 120),
            profile=profile.name,
            allowed=profile.max_name_length,
        )


def _name_fault(name: Name, profile: Profile) -> str | None:
    if name.kind not in profile.names:
        return KIND[name.kind]
    if name.is_wildcard and not profile.wildcards:
        return WILDCARD
    if not profile.idn and name.is_idn:
        return IDN
    if len(name.value) > profile.max_name_length:
        return LENGTH
    return None
