"""Pre-issuance linting: pkilint looks at a certificate before the CA key is used for it.

What it looks at is the certificate that the library makes with a throw-away key, which differs from
the real one in its signature alone; that it does is looked at, too. A look takes some ten times as long
as to issue (docs/decisions/0027), so by default a process looks at the first certificate of each shape,
and `httpca audit check-certificates` looks at every one afterwards. pkilint is imported when it is
first needed: that takes half a second.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pipeline.crypto import names
from pipeline.crypto.names import Kind
from pipeline.crypto.profile import Lint, Profile
from pipeline.errors import ItemFailed, Refused
from pipeline.signer.authority import Prepared
from pipeline.signer.shape import Shape

if TYPE_CHECKING:
    from pkilint.validation import ValidationResult

MOST_SHAPES: Final = 10_000
"""How many shapes a process remembers; then it forgets all of them, and looks again."""

_Lint = Callable[[bytes], "Iterable[ValidationResult]"]


@dataclass(frozen=True, slots=True)
class LintFinding:
    """An error in a certificate: pkilint's code, the place, and its own words, if it has any."""

    code: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.code} at {self.path}"


class Linter:
    """Looks at certificates to be, each shape once."""

    def __init__(self) -> None:
        self._clean: set[Shape] = set()

    def ensure_clean(self, made: Prepared, profile: Profile, *, every: bool) -> None:
        """Look at a certificate to be, if its shape is new to this process or ``every`` one is wanted;
        and, whatever the profile says, whether the library makes the same of it.

        Raises:
            ItemFailed: what is wrong with it, so that nothing may be signed.
        """
        shape = made.shape
        if shape in self._clean and not every:
            return
        found = findings(made.certificate, profile.lint)
        if found:
            more = f", and {len(found) - 1} more" if len(found) > 1 else ""
            raise ItemFailed(f"the certificate would not be a good one: {found[0]}{more}")
        if len(self._clean) >= MOST_SHAPES:
            self._clean.clear()
        self._clean.add(shape)


LINTER: Final = Linter()
"""The one of this process."""

# pkilint says nowhere that it may be used by several threads at once.
_LOCK: Final = threading.Lock()


def findings(certificate: bytes, lints: Iterable[Lint]) -> list[LintFinding]:
    """Return the errors (no warnings) that these lints find in a certificate (DER)."""
    found: dict[LintFinding, None] = {}
    with _LOCK:
        for lint in lints:
            found |= dict.fromkeys(_errors(certificate, lint))
    return list(found)


def warm(lints: Iterable[Lint]) -> None:
    """Import what these lints need, so that no request waits for it."""
    with _LOCK:
        for lint in lints:
            _load(lint)


def _errors(certificate: bytes, lint: Lint) -> list[LintFinding]:
    from pkilint.validation import ValidationFindingSeverity

    try:
        results = _load(lint)(certificate)
    except ValueError:
        return [LintFinding("cannot-be-read", "certificate", "")]
    return [
        LintFinding(one.finding.code, result.node.path, one.message or "")
        for result in results
        for one in result.finding_descriptions
        if one.finding.severity <= ValidationFindingSeverity.ERROR
        and not _is_canonical(one.finding.code, result.node)
    ]


_NAMES: Final[dict[str, Kind]] = {
    "pkix.invalid_domain_name_syntax": "dns",
    "pkix.invalid_email_address_syntax": "email",
    "pkix.invalid_uri_syntax": "uri",
}


def _is_canonical(code: str, node: Any) -> bool:
    """Say whether this is about the syntax of a name that is right by our own, stricter, reading.

    pkilint takes no wildcard and no single label as a DNS name, and as a URI what a browser opens:
    no SPIFFE id. Of wildcards RFC 5280 says that they are not its matter (section 4.2.1.6).
    """
    kind = _NAMES.get(code)
    if kind is None:
        return False
    value = str(node.pdu)
    try:
        return names.canonical(kind, value).value == value
    except Refused:
        return False


@cache
def _load(lint: Lint) -> _Lint:
    # It would log what it stumbles over, and nothing of a request belongs into a log.
    logging.getLogger("pkilint").setLevel(logging.CRITICAL + 1)
    return _cabf_tls() if lint == "cabf-tls" else _rfc5280()


def _rfc5280() -> _Lint:
    """Return the lint by RFC 5280 and the standards that it builds on."""
    from pkilint.loader import RFC5280CertificateDocumentLoader
    from pkilint.pkix import certificate as pkix
    from pkilint.pkix import extension, name

    loader = RFC5280CertificateDocumentLoader()
    validator = pkix.create_pkix_certificate_validator_container(
        pkix.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            pkix.create_issuer_validator_container([]),
            pkix.create_validity_validator_container(),
            pkix.create_subject_validator_container([]),
            pkix.create_extensions_validator_container([]),
            pkix.create_spki_validator_container([]),
        ],
    )

    def lint(der: bytes) -> Any:
        return validator.validate(loader.load_der_document(der, "certificate").root)

    return lint


def _cabf_tls() -> _Lint:
    """Return the lint by the CA/Browser Forum's TLS Baseline Requirements, which includes the other."""
    from pkilint import finding_filter
    from pkilint.cabf import serverauth
    from pkilint.loader import RFC5280CertificateDocumentLoader
    from pkilint.pkix import certificate as pkix

    loader = RFC5280CertificateDocumentLoader()

    @cache
    def validator(kind: Any) -> Any:
        return pkix.create_pkix_certificate_validator_container(
            serverauth.create_decoding_validators(), serverauth.create_validators(kind)
        )

    def lint(der: bytes) -> Any:
        document = loader.load_der_document(der, "certificate")
        kind = serverauth.determine_certificate_type(document)
        results = validator(kind).validate(document.root)
        filters = serverauth.create_serverauth_finding_filters(kind)
        return finding_filter.filter_results(filters, results)[0]

    return lint
