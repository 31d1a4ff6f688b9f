"""What holds for every name: one form, patterns by whole parts, no order."""

from typing import get_args

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto import csr as csrs
from pipeline.crypto import names, subject, told
from pipeline.crypto.names import Kind
from pipeline.crypto.patterns import Pattern
from pipeline.errors import Refused
from tests.factories import csr, profile

LABEL = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,8}[A-Za-z0-9])?", fullmatch=True)
DOMAIN = st.lists(LABEL, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "example"]))
SEGMENTS = st.lists(st.from_regex(r"[a-z.%]{1,6}", fullmatch=True), max_size=3).map("/".join)
TEXT = st.one_of(
    st.text(max_size=60),
    DOMAIN,
    st.ip_addresses().map(str),
    st.builds("{}@{}".format, st.text("aA.b*@", max_size=6), DOMAIN),
    st.builds("{}://{}/{}".format, st.sampled_from(["spiffe", "HTTPS"]), DOMAIN, SEGMENTS),
)


@given(st.sampled_from(get_args(Kind)), TEXT)
def test_a_canonical_form_of_any_kind_is_its_own_canonical_form(kind: Kind, text: str) -> None:
    try:
        once = names.canonical(kind, text)
    except Refused:
        return
    assert names.canonical(kind, once.value) == once
    assert once.value.isascii()
    assert once.value.isprintable()


@given(
    st.sampled_from(["email", "upn"]),
    st.from_regex(r"[A-Za-z]{1,5}", fullmatch=True),
    DOMAIN,
    DOMAIN,
    st.booleans(),
)
def test_an_address_that_a_pattern_covers_is_at_its_very_domain(
    kind: Kind, local: str, domain: str, of_pattern: str, same: bool
) -> None:
    try:
        prefix = "UPN:" if kind == "upn" else ""
        pattern = Pattern.parse(f"{prefix}*@{of_pattern}")
        name = names.canonical(kind, f"{local}@{of_pattern.upper() if same else domain}")
    except (ValueError, Refused):  # some labels are no A-labels
        return
    inside = name.value.partition("@")[2] == of_pattern.lower()
    assert pattern.matches(name) == inside
    assert inside or not same


@given(DOMAIN, DOMAIN, SEGMENTS, SEGMENTS, st.booleans())
def test_a_uri_that_a_pattern_covers_is_below_its_path_by_whole_segments(
    host: str, other: str, base: str, path: str, joined: bool
) -> None:
    start = f"spiffe://{host}" + (f"/{base}" if base else "")
    try:
        pattern = Pattern.parse(f"{start}/*")
        name = names.uri(f"{start}/{path}" if joined else f"spiffe://{other}/{path}")
    except (ValueError, Refused):
        return
    parts, wanted = name.value.split("/"), names.uri(start).value.split("/")
    below = parts[: len(wanted)] == wanted and any(parts[len(wanted) :])
    assert pattern.matches(name) == below


ITEMS: list[str | x509.GeneralName] = [
    "DNS:a.test",
    "IP:192.0.2.1",
    "email:a@b.test",
    "UPN:a@b.test",
]
PARTS = [
    x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
    x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Servers"),
    x509.NameAttribute(NameOID.COMMON_NAME, "a.test"),
]
EXTENSIONS: list[x509.ExtensionType] = [
    x509.BasicConstraints(ca=True, path_length=None),
    x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]),
    x509.OCSPNoCheck(),
]
MADE_BY = profile(names=list(get_args(Kind)), subject_from_csr=["O", "CN"])


@given(st.permutations(ITEMS), st.permutations(PARTS), st.permutations(EXTENSIONS))
def test_the_order_of_items_in_a_csr_does_not_matter(
    items: list[str | x509.GeneralName],
    parts: list[x509.NameAttribute[str]],
    extensions: list[x509.ExtensionType],
) -> None:
    found = csrs.read(csr(items, subject=parts, extensions=extensions))
    usual = csrs.read(csr(ITEMS, subject=PARTS, extensions=EXTENSIONS))
    assert sorted(found.names) == sorted(usual.names)
    assert subject.compose(found, MADE_BY) == subject.compose(usual, MADE_BY)
    assert sorted(told.dropped(found, MADE_BY)) == sorted(told.dropped(usual, MADE_BY))
    assert found.taken_common_name == usual.taken_common_name == "a.test"
