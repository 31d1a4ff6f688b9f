"""What can be wrong with one profile: each problem with its key, what was found and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from cryptography import x509

from pipeline.crypto import durations, subject, subtrees
from pipeline.crypto.public_keys import KeyRule
from pipeline.crypto.usages import EXTENDED_KEY_USAGES, OF_AGREEMENT

if TYPE_CHECKING:
    from pipeline.crypto.profile import Profile

_ANY_EXTENDED_KEY_USAGE: Final = "2.5.29.37.0"
_ANY_POLICY: Final = "2.5.29.32.0"
_OF_CAS: Final = ("key_cert_sign", "crl_sign")
_SERVER_AUTH: Final = "1.3.6.1.5.5.7.3.1"
_OID: Final = re.compile(
    r"(?:[01]\.[0-9]|[01]\.[1-3][0-9]|2\.[0-9]{1,9})(?:\.(?:0|[1-9][0-9]{0,18}))+"
)
_URL: Final = re.compile(r"https?://[!-~]+")
_LIMIT: Final = re.compile(r"(?P<kind>dns|ip|email|uri|upn):(?P<count>[1-9][0-9]{0,4})")
_MOST_NAMES: Final = 10_000
_LONGEST_NAME: Final = 2_000
LONGEST_PATH: Final = 8
"""CAs below a CA; as many as a chain may have here."""


def problems(profile: Profile) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, as (key, what was found and what is allowed)."""
    yield from _twice(profile)
    yield from _times(profile)
    yield from _keys(profile)
    yield from _uses(profile)
    yield from _subject(profile)
    yield from _names(profile)
    yield from _ca(profile)
    yield from _urls(profile)


def _twice(profile: Profile) -> Iterator[tuple[str, str]]:
    for key in (
        "keys",
        "key_usage",
        "extended_key_usage",
        "names",
        "subject_from_csr",
        "permitted_subtrees",
        "excluded_subtrees",
        "lint",
    ):
        values = getattr(profile, key)
        if len(set(values)) < len(values):
            yield key, "an entry is listed twice"


def _times(profile: Profile) -> Iterator[tuple[str, str]]:
    for key in ("validity", "backdate"):
        yield from _unreadable(key, [getattr(profile, key)], durations.parse)
    if profile.validity_time <= profile.backdate_time:
        yield "validity", f"{profile.validity!r} must be longer than backdate, {profile.backdate!r}"


def _keys(profile: Profile) -> Iterator[tuple[str, str]]:
    if not profile.keys:
        yield "keys", "found none, so nothing could be issued; list kinds such as ec:P-256"
    yield from _unreadable("keys", profile.keys, KeyRule.parse)
    if not profile.key_usage:
        yield "key_usage", "found none; list at least one, such as digital_signature"
    of_agreement = set(OF_AGREEMENT) & set(profile.key_usage)
    if of_agreement and "key_agreement" not in profile.key_usage:
        yield "key_usage", f"{of_agreement.pop()!r} means nothing without key_agreement"


def _uses(profile: Profile) -> Iterator[tuple[str, str]]:
    for usage in profile.extended_key_usage:
        if usage == _ANY_EXTENDED_KEY_USAGE:
            yield "extended_key_usage", f"{usage!r} would allow every use; list the uses instead"
        elif usage not in EXTENDED_KEY_USAGES and not _is_oid(usage):
            allowed = ", ".join(EXTENDED_KEY_USAGES)
            yield "extended_key_usage", f"found {usage!r}; allowed are {allowed}, or a dotted OID"
    oids = profile.extended_key_usage_oids()
    if len(set(oids)) < len(oids):
        yield "extended_key_usage", "a use is listed twice, by its name and by its OID"
    if "ocsp_signing" in profile.powers and len(oids) > 1:
        problem = "a key that answers for the issuing CA does nothing else; list ocsp_signing alone"
        yield "extended_key_usage", problem
    if profile.ocsp_no_check and "ocsp_signing" not in profile.powers:
        yield "ocsp_no_check", "is for OCSP responders: extended_key_usage must be ocsp_signing"


def _subject(profile: Profile) -> Iterator[tuple[str, str]]:
    yield from _unreadable("subject", profile.subject, subject.parse)
    fixed = [text.partition("=")[0] for text in profile.subject]
    for key in ("subject_from_csr", "subject_required"):
        for kind in getattr(profile, key):
            if kind in fixed:
                yield key, f"{kind!r} is given by subject already; leave it out of one of the two"
    for kind in profile.subject_required:
        if kind not in profile.subject_from_csr:
            yield "subject_required", f"{kind!r} is not in subject_from_csr; add it there, too"
    if "CN" in fixed and profile.names:
        problem = "a CN must be one of the names, so that none can be given; leave it out"
        yield "subject", problem
    if not profile.names and not profile.subject and not profile.subject_from_csr:
        yield "subject_from_csr", "without names there must be a subject; list CN, for example"


def _names(profile: Profile) -> Iterator[tuple[str, str]]:
    if not profile.names and not profile.ca and _may_be_server(profile):
        problem = (
            "found none; allowed are dns, ip, email, uri, upn. Only CAs, and certificates whose"
            " extended_key_usage is neither open nor server_auth, can do without"
        )
        yield "names", problem
    if not 1 <= profile.max_names <= _MOST_NAMES:
        yield "max_names", f"found {profile.max_names}; allowed are 1 to {_MOST_NAMES}"
    if not 1 <= profile.max_name_length <= _LONGEST_NAME:
        found = profile.max_name_length
        yield "max_name_length", f"found {found}; allowed are 1 to {_LONGEST_NAME}"
    limited = []
    for text in profile.max_of_kind:
        found_limit = _LIMIT.fullmatch(text)
        if found_limit is None:
            yield "max_of_kind", f"found {text!r}; write KIND:COUNT, as in ip:4"
            return
        limited.append(found_limit["kind"])
        if limited[-1] not in profile.names:
            yield "max_of_kind", f"{text!r} limits a kind that is not in names"
    if len(set(limited)) < len(limited):
        yield "max_of_kind", "a kind is listed twice"
    if profile.spiffe and "uri" not in profile.names:
        yield "spiffe", "a SPIFFE ID is a URI; add uri to names"
    if profile.spiffe and set(_OF_CAS) & set(profile.key_usage):
        yield "spiffe", "is for workloads, and key_usage says CA"


def _may_be_server(profile: Profile) -> bool:
    """Clients that know no SAN take a CN for the name of the server."""
    uses = profile.extended_key_usage_oids()
    return not uses or _SERVER_AUTH in uses


def _ca(profile: Profile) -> Iterator[tuple[str, str]]:
    if not profile.ca:
        for usage in _OF_CAS:
            if usage in profile.key_usage:
                yield "key_usage", f"{usage!r} is for CAs only; this profile does not say ca = true"
        for key in ("path_length", "permitted_subtrees", "excluded_subtrees", "unconstrained"):
            if getattr(profile, key):
                yield key, "is for CAs only; this profile does not say ca = true"
        return
    if "key_cert_sign" not in profile.key_usage:
        yield "key_usage", "a CA needs key_cert_sign (and crl_sign, to revoke)"
    more = set(profile.key_usage) - {*_OF_CAS, "digital_signature"}
    if more:
        problem = (
            f"{min(more)!r} is not for CAs; allowed are key_cert_sign, crl_sign, digital_signature"
        )
        yield "key_usage", problem
    if profile.names:
        yield "names", "a CA is known by its subject; write names = []"
    if "ocsp_signing" in profile.powers:
        problem = "ocsp_signing would let the CA answer for its own issuer; leave it out"
        yield "extended_key_usage", problem
    if not 0 <= profile.path_length <= LONGEST_PATH:
        found = profile.path_length
        yield "path_length", f"found {found}; allowed are 0 to {LONGEST_PATH} CAs below it"
    yield from _constraints(profile)


def _constraints(profile: Profile) -> Iterator[tuple[str, str]]:
    for key in ("permitted_subtrees", "excluded_subtrees"):
        yield from _unreadable(key, getattr(profile, key), subtrees.parse)
    if profile.permitted_subtrees and profile.unconstrained:
        yield "unconstrained", "permitted_subtrees constrain it; leave one of the two out"
    if not profile.permitted_subtrees and not profile.unconstrained:
        problem = (
            "found none, so that this CA could speak for every name; list what it may speak for,"
            f" or accept that by unconstrained = true. {subtrees.ALLOWED}"
        )
        yield "permitted_subtrees", problem


def _urls(profile: Profile) -> Iterator[tuple[str, str]]:
    for text in profile.certificate_policies:
        oid, _, url = text.partition(" ")
        if not _is_oid(oid) or (" " in text and not _URL.fullmatch(url)):
            problem = f"found {text!r}; write an OID, and after it the URL of a practice statement"
            yield "certificate_policies", problem
        elif oid == _ANY_POLICY and not profile.ca:
            yield "certificate_policies", f"{oid!r} means every policy, which only a CA can have"
    oids = [text.partition(" ")[0] for text in profile.certificate_policies]
    if len(set(oids)) < len(oids):
        yield "certificate_policies", "a policy is listed twice (RFC 5280 section 4.2.1.4)"
    for key in ("crl_distribution_points", "ocsp", "ca_issuers"):
        for url in getattr(profile, key):
            if not _URL.fullmatch(url):
                yield key, f"found {url!r}; a URL begins with http:// or https://"


def _is_oid(text: str) -> bool:
    if not _OID.fullmatch(text):
        return False
    try:
        x509.ObjectIdentifier(text)
    except ValueError:  # of more octets than the library takes
        return False
    return True


def _unreadable(
    key: str, texts: Iterable[str], parse: Callable[[str], object]
) -> Iterator[tuple[str, str]]:
    for text in texts:
        try:
            parse(text)
        except ValueError as error:
            yield key, str(error)
