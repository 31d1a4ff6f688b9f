import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto import names
from pipeline.crypto.names import Kind, Name
from pipeline.crypto.patterns import ALLOWED, Pattern
from pipeline.errors import Refused

MATCHES: list[tuple[str, Kind, str]] = [
    ("example.com", "dns", "example.com"),
    ("Example.COM.", "dns", "example.com"),
    ("*.example.com", "dns", "www.example.com"),
    ("*.example.com", "dns", "a.b.c.example.com"),  # at any depth
    ("*.example.com", "dns", "*.example.com"),  # a wildcard is below too
    ("*.example.com", "dns", "*.foo.example.com"),
    ("*.test", "dns", "a.test"),
    ("*.bücher.example", "dns", "www.xn--bcher-kva.example"),
    ("bücher.example", "dns", "xn--bcher-kva.example"),
    ("10.0.0.0/8", "ip", "10.1.2.3"),
    ("10.0.0.0/8", "ip", "10.0.0.0"),
    ("10.0.0.0/8", "ip", "10.255.255.255"),
    ("10.1.2.3", "ip", "10.1.2.3"),
    ("10.1.2.3/32", "ip", "10.1.2.3"),
    ("fd00::/8", "ip", "fd12:3456::1"),
    ("FD00::1", "ip", "fd00::1"),
    ("user@example.com", "email", "user@example.com"),
    ("user@EXAMPLE.com", "email", "user@example.com"),
    ("*@example.com", "email", "user@example.com"),
    ("*@bücher.example", "email", "a@xn--bcher-kva.example"),
    ("spiffe://example.org/*", "uri", "spiffe://example.org/service"),
    ("spiffe://example.org/*", "uri", "spiffe://example.org/ns/a/sa/b"),
    ("spiffe://example.org/ns/*", "uri", "spiffe://example.org/ns/a"),
    ("SPIFFE://EXAMPLE.org/a", "uri", "spiffe://example.org/a"),
    ("https://example.com/a?b", "uri", "https://example.com/a?b"),
    ("urn:uuid:1", "uri", "urn:uuid:1"),
]

DOES_NOT_MATCH: list[tuple[str, Kind, str]] = [
    ("example.com", "dns", "www.example.com"),
    ("example.com", "dns", "*.example.com"),
    ("example.com", "dns", "example.com.evil.example"),
    ("*.example.com", "dns", "example.com"),  # below, not itself
    ("*.example.com", "dns", "evilexample.com"),  # not a whole label
    ("*.example.com", "dns", "www.evilexample.com"),
    ("*.example.com", "dns", "www.example.com.evil.example"),
    ("*.example.com", "dns", "*.evilexample.com"),
    ("*.foo.example.com", "dns", "*.example.com"),  # the wildcard is wider than the pattern
    ("*.foo.example.com", "dns", "foo.example.com"),
    ("*.test", "dns", "test"),
    ("*.test", "dns", "latest"),
    ("*.example.com", "email", "user@www.example.com"),  # another kind of name
    ("*.example.com", "uri", "https://www.example.com"),
    ("10.0.0.0/8", "ip", "11.0.0.1"),
    ("10.0.0.0/8", "ip", "fd00::1"),
    ("::/0", "ip", "10.0.0.1"),
    ("0.0.0.0/0", "ip", "::1"),
    ("10.1.2.3", "ip", "10.1.2.4"),
    ("user@example.com", "email", "other@example.com"),
    ("user@example.com", "email", "User@example.com"),  # local parts have case
    ("*@example.com", "email", "user@www.example.com"),
    ("*@example.com", "email", "user@evilexample.com"),
    ("*@example.com", "dns", "example.com"),
    ("spiffe://example.org/*", "uri", "spiffe://example.org"),
    ("spiffe://example.org/*", "uri", "spiffe://example.org/"),
    ("spiffe://example.org/*", "uri", "spiffe://example.org.evil.example/a"),
    ("spiffe://example.org/*", "uri", "spiffe://example.org:1/a"),
    ("spiffe://example.org/*", "uri", "https://example.org/a"),
    ("spiffe://example.org/ns/*", "uri", "spiffe://example.org/nsx/a"),  # not a whole segment
    ("spiffe://example.org/ns/*", "uri", "spiffe://example.org/ns"),
    ("spiffe://example.org/ns/*", "uri", "spiffe://example.org/other?x=/ns/a"),
    ("https://example.com/*", "uri", "https://example.com/a?b"),  # a query is nobody's segment
]

NOT_PATTERNS = [
    "",
    " *.example.com",
    "*",
    "*.",
    "**.example.com",
    "*.*.example.com",
    "f*o.example.com",
    "*example.com",
    "www.*.com",
    ".example.com",
    "exam_ple.com",
    "example..com",
    "10.0.0.1/8",  # host bits are set
    "10.0.0.0/33",
    "10.0.0",
    "fd00::/200",
    "::ffff:10.0.0.1",
    "*@*.example.com",
    "*@",
    "a*@example.com",
    "spiffe://example.org/a*",
    "spiffe://*/a",
    "spiffe://example.org/*/a",
    "spiffe://example.org//*",
    "spiffe://example.org/../*",
    "urn:*",
    "https://example.com/a?b/*",
    "☃.example",
]


def name(kind: Kind, value: str) -> Name:
    made = names.canonical(kind, value)
    assert made.value == value
    return made


@pytest.mark.parametrize(("pattern", "kind", "value"), MATCHES)
def test_a_pattern_covers(pattern: str, kind: Kind, value: str) -> None:
    assert Pattern.parse(pattern).matches(name(kind, value))


@pytest.mark.parametrize(("pattern", "kind", "value"), DOES_NOT_MATCH)
def test_a_pattern_does_not_cover(pattern: str, kind: Kind, value: str) -> None:
    assert not Pattern.parse(pattern).matches(name(kind, value))


@pytest.mark.parametrize("text", NOT_PATTERNS)
def test_what_is_not_a_pattern_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="is not a pattern") as caught:
        Pattern.parse(text)
    assert ALLOWED in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.0.0.1/8", "has host bits set"),
        ("fd00::/200", "does not appear to be"),
        ("*.*.example.com", "can only be the whole first part"),
        ("spiffe://*/a", "can only be the whole last path segment"),
        ("exam_ple.com", "underscore"),
        ("☃.example", "characters that no domain name can have"),
    ],
)
def test_an_error_says_what_is_wrong_with_the_pattern(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Pattern.parse(text)


@pytest.mark.parametrize("text", sorted({pattern for pattern, _, _ in MATCHES}))
def test_the_text_of_a_pattern_is_canonical(text: str) -> None:
    once = Pattern.parse(text)
    assert Pattern.parse(once.text) == once


LABELS = st.lists(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True), min_size=1)


@given(LABELS, LABELS.map(lambda labels: [*labels, "example"]), st.booleans())
def test_a_name_below_a_pattern_ends_in_its_labels(
    name_labels: list[str], suffix: list[str], joined: bool
) -> None:
    candidate = ".".join(name_labels + (suffix if joined else []))
    try:
        pattern = Pattern.parse("*." + ".".join(suffix))
        made = names.dns(candidate)
    except (ValueError, Refused):  # some labels are no A-labels, some names too long
        return
    labels = made.value.split(".")
    below = len(labels) > len(suffix) and labels[-len(suffix) :] == suffix
    assert pattern.matches(made) == below
    assert below or not joined
