"""Pre-issuance linting: what is no good certificate is not signed, and each shape is looked at once."""

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
from cryptography import x509

from pipeline.crypto.profile import Profile
from pipeline.errors import ItemFailed
from pipeline.signer import authority, extensions, lint, to_be_signed
from pipeline.signer.authority import Prepared
from pipeline.signer.lint import Linter
from tests import factories

WIDE: dict[str, Any] = {
    "names": ["dns", "ip", "email", "uri"],
    "wildcards": True,
    "idn": True,
    "max_names": 1000,
    "max_name_length": 2000,
}


def prepare(
    *names: str, issuer: str = "ec:P-256", made_for: Profile | None = None, **csr: Any
) -> Prepared:
    profile = made_for or factories.profile(**WIDE)
    return authority.prepare(
        factories.read_csr(*names, **csr),
        profile,
        factories.issuer(issuer),
        factories.NOW,
        factories.new_serial(),
    )


GOOD = [
    ("DNS:www.example.test",),
    ("DNS:*.example.test",),
    ("DNS:localhost",),
    ("DNS:xn--bcher-kva.example",),
    (f"DNS:{'.'.join(['a' * 63] * 3)}.example",),
    ("IP:192.0.2.1", "IP:2001:db8::1"),
    ("email:o'x+y@xn--bcher-kva.example",),
    ("URI:spiffe://example.org/a/b", "URI:https://example.org:8443/a?b", "URI:urn:uuid:1"),
    tuple(f"DNS:h{number}.test" for number in range(300)),
]


@pytest.mark.parametrize("names", GOOD, ids=lambda names: names[0][:30])
def test_what_is_issued_today_passes(names: tuple[str, ...]) -> None:
    made = prepare(*names)
    assert lint.findings(made.certificate, ["rfc5280"]) == []


@pytest.mark.parametrize("kind", ["rsa:2048", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519"])
def test_every_kind_of_key_passes_and_every_kind_of_issuer(kind: str) -> None:
    made = prepare(key_kind=kind, issuer=kind, made_for=factories.profile(keys=[kind]))
    assert lint.findings(made.certificate, ["rfc5280"]) == []


def broken(monkeypatch: pytest.MonkeyPatch, extension: x509.ExtensionType, critical: bool) -> None:
    """Let every certificate have an extension that does not belong into it."""
    original = extensions.builder_for

    def add(*arguments: Any) -> Any:
        return original(*arguments).add_extension(extension, critical)

    monkeypatch.setattr(extensions, "builder_for", add)
    monkeypatch.setattr(to_be_signed, "frame_for", to_be_signed.frame_for.__wrapped__)


def test_what_the_library_would_not_make_is_not_signed_whatever_the_profile_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = extensions.add_own

    def another(builder: Any, own: extensions.Own) -> Any:
        return original(builder, own._replace(critical_names=not own.critical_names))

    monkeypatch.setattr(extensions, "add_own", another)
    for profile in (factories.profile(), factories.profile(lint=[])):
        linter, made = Linter(), prepare(made_for=profile)
        for _ in range(2):
            with pytest.raises(ItemFailed, match="not put together as it was meant"):
                linter.ensure_clean(made, profile, every=False)


def test_an_error_keeps_it_from_being_signed_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Path length and key_cert_sign are a CA's (RFC 5280 section 4.2.1.9); this one is none."""
    constraints = x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None)
    broken(monkeypatch, constraints, critical=False)
    profile = factories.profile()
    with pytest.raises(ItemFailed, match=r"not be a good one: pkix\.\w+ at certificate\."):
        Linter().ensure_clean(prepare(), profile, every=False)
    Linter().ensure_clean(prepare(), factories.profile(lint=[]), every=True)


def test_a_profile_may_ask_for_the_checks_of_public_tls() -> None:
    profile = factories.profile(lint=["cabf-tls"], extended_key_usage=["server_auth"])
    made = prepare("DNS:internal", made_for=profile)
    found = {one.code for one in lint.findings(made.certificate, profile.lint)}
    assert "cabf.internal_domain_name" in found
    assert "cabf.serverauth.subscriber.certificate_policies_extension_absent" in found
    with pytest.raises(ItemFailed, match=r"and [0-9]+ more"):
        Linter().ensure_clean(made, profile, every=False)


def test_what_is_no_certificate_is_a_finding() -> None:
    for octets in (b"", b"\x30\x00", b"no certificate"):
        assert [one.code for one in lint.findings(octets, ["rfc5280"])] == ["cannot-be-read"]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The certificates that were looked at."""
    seen: list[bytes] = []

    def look(certificate: bytes, _lints: Any) -> list[lint.LintFinding]:
        seen.append(certificate)
        return []

    monkeypatch.setattr(lint, "findings", look)
    return seen


def test_each_shape_is_looked_at_once_and_every_one_when_that_is_wanted(looks: list[bytes]) -> None:
    linter, profile = Linter(), factories.profile(**WIDE)
    for number in range(10, 20):
        linter.ensure_clean(prepare(f"DNS:host-{number}.example.test"), profile, every=False)
    assert len(looks) == 1
    for number in range(10, 20):
        linter.ensure_clean(prepare(f"DNS:host-{number}.example.test"), profile, every=True)
    assert len(looks) == 11


OTHERS: dict[str, dict[str, Any]] = {
    "another kind of name": {"names": ["IP:192.0.2.1"]},
    "a wildcard": {"names": ["DNS:*.example.test"]},
    "an international name": {"names": ["DNS:xn--bcher-kva.example.test"]},
    "a hyphen": {"names": ["DNS:w-w.example.test"]},
    "a long label": {"names": [f"DNS:{'w' * 63}.example.test"]},
    "several names": {"names": ["DNS:www.example.test", "DNS:wwx.example.test"]},
    "a subject": {"names": ["DNS:www.example.test"], "common_name": "www.example.test"},
    "another kind of key": {"names": ["DNS:www.example.test"], "key_kind": "ec:P-384"},
    "another issuer": {"names": ["DNS:www.example.test"], "issuer": "ec:P-384"},
    "another profile": {"names": ["DNS:www.example.test"], "made_for": factories.profile()},
    "an end after 2049": {
        "names": ["DNS:www.example.test"],
        "made_for": factories.profile(validity="9000d"),
    },
}


@pytest.mark.parametrize("what", OTHERS, ids=lambda what: what.replace(" ", "-"))
def test_what_may_matter_to_a_lint_makes_another_shape(looks: list[bytes], what: str) -> None:
    linter = Linter()
    options = dict(OTHERS[what])
    names = options.pop("names")
    linter.ensure_clean(prepare("DNS:www.example.test"), factories.profile(), every=False)
    linter.ensure_clean(prepare(*names, **options), factories.profile(), every=False)
    assert len(looks) == 2


def test_a_process_remembers_a_bounded_number_of_shapes(
    looks: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lint, "MOST_SHAPES", 3)
    linter, made = Linter(), prepare()
    for number in range(8):
        other = dataclasses.replace(made, shape=number)
        linter.ensure_clean(other, factories.profile(), every=False)
    assert len(linter._clean) <= 3
    assert len(looks) == 8


def test_pkilint_is_imported_when_it_is_needed_and_not_before() -> None:
    code = (
        "import sys, pipeline.run.signer_worker, pipeline.actors.signer, pipeline.commands.audit\n"
        "assert 'pkilint' not in sys.modules\n"
        "from pipeline.signer import lint\n"
        "lint.warm(['rfc5280'])\n"
        "assert 'pkilint' in sys.modules and 'pkilint.cabf' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
