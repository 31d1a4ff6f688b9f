"""What an operator writes: policies with their patterns, settings, and where a key lies."""

from functools import cache
from typing import Final

from sqlalchemy import make_url

from pipeline.broker.tls import url_parameters
from pipeline.crypto.csr import Csr
from pipeline.crypto.patterns import Pattern
from pipeline.errors import SettingsError
from pipeline.signer import policy_file
from pipeline.signer.keys.uri import KeyUri
from pipeline.signer.policy import explain
from settings import approver, signer, web
from settings.common import EMBEDDED
from settings.load import FILE, load
from settings.transport import unprotected
from tests import factories
from tests.fuzz import mutators
from tests.fuzz.as_file import as_file
from tests.fuzz.target import Target


@cache
def _requests() -> tuple[tuple[Csr, str | None], ...]:
    """Return what a policy is tried with."""
    return (
        (factories.read_csr("DNS:www.example.com", "IP:192.0.2.1"), None),
        (factories.read_csr("email:somebody@example.com", key_kind="ed25519"), "ci"),
        (factories.read_csr("URI:spiffe://example.org/service"), "deploy"),
    )


def read_policy(octets: bytes) -> None:
    """Read a policy file; one that is right has a verdict for everything."""
    policy = policy_file.load(as_file("policy.toml", octets), issuers=("issuing",))
    for csr, requester in _requests():
        for profile in (*policy.profiles, "none"):
            found = explain(policy, csr, profile, requester, "api", at=factories.NOW)
            assert found.verdict.action in ("sign", "approve", "reject")


_ROLES: Final = (
    (web.WebSettings, "web", web.load_web),
    (signer.SignerSettings, "signer", signer.load_signer),
    (approver.ApproverSettings, "approver", approver.load_approver),
)


def read_settings(octets: bytes) -> None:
    """Read settings; lines that begin with HTTPCA_ are variables."""
    kind, role, whole = _ROLES[octets[0] % len(_ROLES)] if octets else _ROLES[0]
    lines = octets[1:].split(b"\n")
    variables = [line.decode("utf-8", "surrogateescape") for line in lines
                 if line.startswith(b"HTTPCA_")]  # fmt: skip
    environment = {name: value for name, _, value in (one.partition("=") for one in variables)}
    text = b"\n".join(line for line in lines if not line.startswith(b"HTTPCA_"))
    folder = as_file(f"settings/{FILE}", text).parent
    load(kind, folder, role, environment)
    found = whole(folder)
    assert unprotected(found.broker) is not None
    for one in found.broker.split(";"):
        if one != EMBEDDED:
            url_parameters(one)
    if not isinstance(found, approver.ApproverSettings):
        make_url(found.database)


def read_pattern(octets: bytes) -> None:
    """Read a pattern; its canonical text reads as the same pattern."""
    text = octets.decode("utf-8", "replace")
    found = Pattern.parse(text)
    assert Pattern.parse(found.text) == found
    for csr, _ in _requests():
        for name in csr.names:
            found.matches(name)


def read_uri(octets: bytes) -> None:
    """Read where a key lies in a token; it is written as it was read."""
    found = KeyUri.parse(octets.decode("utf-8", "surrogateescape"))
    assert KeyUri.parse(str(found)) == found
    assert found.key


POLICY: Final = Target(
    "policy",
    read_policy,
    (SettingsError,),
    (
        "pipeline.signer.policy_file",
        "pipeline.signer.policy",
        "pipeline.signer.rules",
        "pipeline.signer.rule_problems",
        "pipeline.signer.people",
        "pipeline.signer.limits",
        "pipeline.signer.window",
        "pipeline.signer.toml_lines",
        "pipeline.crypto.profile",
        "pipeline.crypto.patterns",
        "pipeline.crypto.durations",
    ),
    mutators.lines,
    ("[profiles.", "[[rules]]", "[groups]", "[approvers]", "every_name", "limit", "hours", "zone"),
)
SETTINGS: Final = Target(
    "settings",
    read_settings,
    (SettingsError,),
    (
        "settings.load",
        "settings.web",
        "settings.signer",
        "settings.approver",
        "settings.common",
        "settings.issuer",
        "settings.passphrase",
        "settings.transport",
    ),
    mutators.after_byte(mutators.lines),
    ("role", "HTTPCA_WEB_", "HTTPCA_SIGNER_", "[http]", "[[issuers]]", "sqlite:///", "amqps://"),
)

PATTERN: Final = Target(
    "pattern",
    read_pattern,
    (ValueError,),
    ("pipeline.crypto.patterns", "pipeline.crypto.uris"),
    words=("*.", "*@", "/*", "spiffe://", "urn:", "/8", "::"),
)
URI: Final = Target(
    "uri",
    read_uri,
    (ValueError,),
    ("pipeline.signer.keys.uri",),
    words=("pkcs11:", "token=", "object=", "id=%", "module-path=", "pin-value="),
)
