import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto import domains
from pipeline.crypto.visible import visible
from pipeline.errors import Refused

CANONICAL = [
    ("example.com", "example.com"),
    ("EXAMPLE.Com", "example.com"),  # case does not count
    ("example.com.", "example.com"),  # the root's dot is left out
    ("localhost", "localhost"),
    ("a.b.c.d.e.f.example", "a.b.c.d.e.f.example"),
    ("1.example.com", "1.example.com"),  # digits are fine in any label
    ("123.example.com", "123.example.com"),
    ("3com.com", "3com.com"),
    ("a-b.example.com", "a-b.example.com"),
    ("a--b.example.com", "a--b.example.com"),  # two hyphens, but not in third and fourth place
    ("example.c0m", "example.c0m"),  # not only digits
    ("x" * 63 + ".com", "x" * 63 + ".com"),
    (".".join(["x" * 61] * 4) + ".abcde", ".".join(["x" * 61] * 4) + ".abcde"),  # 253 characters
    (".".join(["x" * 61] * 4) + ".abcde.", ".".join(["x" * 61] * 4) + ".abcde"),
    ("*.example.com", "*.example.com"),
    ("*.EXAMPLE.com.", "*.example.com"),
    ("*.a.b.example.com", "*.a.b.example.com"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
    ("*.xn--bcher-kva.example", "*.xn--bcher-kva.example"),
    ("xn--fiqs8s", "xn--fiqs8s"),  # 中国, a top-level domain
    ("xn--4dbrk0ce", "xn--4dbrk0ce"),  # ישראל, right to left
]

REFUSED = [
    ("", domains.EMPTY),
    (".", domains.EMPTY),
    ("example..com", domains.EMPTY_LABEL),
    (".example.com", domains.EMPTY_LABEL),
    ("example.com..", domains.EMPTY_LABEL),
    ("*..example.com", domains.EMPTY_LABEL),
    ("*.", domains.WILDCARD),  # nothing below the wildcard
    ("x" * 64 + ".com", domains.LABEL_TOO_LONG),
    (".".join(["x" * 61] * 4) + ".abcdef", domains.TOO_LONG),  # 254 characters
    ("foo_bar.example.com", domains.UNDERSCORE),
    ("_dmarc.example.com", domains.UNDERSCORE),
    ("-a.example.com", domains.HYPHEN),
    ("a-.example.com", domains.HYPHEN),
    ("-", domains.HYPHEN),
    ("\xa0", domains.NOT_IDNA),  # a space that cannot be told from another
    ("*", domains.WILDCARD),
    ("f*o.example.com", domains.WILDCARD),
    ("*foo.example.com", domains.WILDCARD),
    ("foo*.example.com", domains.WILDCARD),
    ("www.*.example.com", domains.WILDCARD),
    ("*.*.example.com", domains.WILDCARD),
    ("example.com*", domains.WILDCARD),
    ("*.com", domains.SHALLOW_WILDCARD),
    ("*.localhost", domains.SHALLOW_WILDCARD),
    ("10.0.0.1", domains.NUMERIC),  # an IP address as a DNS name
    ("example.123", domains.NUMERIC),
    ("123", domains.NUMERIC),
    ("*.example.123", domains.NUMERIC),
    ("exa mple.com", domains.CHARACTER),
    (" example.com", domains.CHARACTER),
    ("example.com/path", domains.CHARACTER),
    ("example.com:443", domains.CHARACTER),
    ("http://example.com", domains.CHARACTER),
    ("user@example.com", domains.CHARACTER),
    ("2001:db8::1", domains.CHARACTER),
    ("exam'ple.com", domains.CHARACTER),
    ("exam\\ple.com", domains.CHARACTER),
    ("example.com\x00.evil.example", domains.CONTROL),  # NUL: C programs read only the first part
    ("example.com\n", domains.CONTROL),
    ("exa\x1b[31mmple.com", domains.CONTROL),
    ("exa\x7fmple.com", domains.CONTROL),
    ("bücher.example", domains.NOT_ASCII),
    ("ex\u0430mple.com", domains.NOT_ASCII),  # a Cyrillic letter like an a
    ("\u212aelvin.example", domains.NOT_ASCII),  # the Kelvin sign, whose lower case is a Latin k
    ("exam\u200bple.com", domains.NOT_IDNA),  # a zero-width space
    ("\u202eelpmaxe.com", domains.NOT_IDNA),  # right-to-left override
    ("☃.example", domains.NOT_IDNA),  # symbols are not letters in IDNA 2008
    ("ab--cd.example.com", domains.BAD_A_LABEL),  # a reserved LDH label
    ("xn--.example", domains.HYPHEN),
    ("xn--a.example", domains.BAD_A_LABEL),
    ("xn--abc-.example", domains.HYPHEN),
    ("xn--n3h.example", domains.BAD_A_LABEL),  # ☃ in disguise
    ("xn--example-.com", domains.HYPHEN),
]


@pytest.mark.parametrize(("text", "expected"), CANONICAL)
def test_a_name_has_one_canonical_form(text: str, expected: str) -> None:
    assert domains.canonical(text) == expected
    assert domains.canonical(expected) == expected


@pytest.mark.parametrize(("text", "template"), REFUSED)
def test_what_is_not_a_name_is_refused_with_the_reason(text: str, template: str) -> None:
    with pytest.raises(Refused) as caught:
        domains.canonical(text)
    assert caught.value.slug == "invalid-name"
    assert caught.value.template == template
    assert visible(str(caught.value)) == str(caught.value)


def test_a_name_with_u_labels_is_refused_with_the_form_to_write() -> None:
    with pytest.raises(Refused, match=r"xn--bcher-kva\.example"):
        domains.canonical("BÜCHER.example")


def test_u_labels_are_read_where_people_write_and_shown_where_they_read() -> None:
    assert domains.to_ascii("*.Bücher.example") == "*.xn--bcher-kva.example"
    assert domains.to_unicode("*.xn--bcher-kva.example") == "*.bücher.example"


LABEL = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?", fullmatch=True)


@given(st.one_of(st.text(max_size=80), st.lists(LABEL, min_size=1, max_size=6).map(".".join)))
def test_a_canonical_form_is_canonical(text: str) -> None:
    try:
        once = domains.canonical(text)
    except Refused as refused:
        assert visible(str(refused)) == str(refused)  # noqa: PT017 - most texts are no names, and that is fine
    else:
        assert domains.canonical(once) == once
        assert once == once.lower()
        assert once.isascii()


@given(st.lists(LABEL, min_size=1, max_size=6).map(".".join))
def test_case_and_trailing_dot_do_not_count(text: str) -> None:
    def canonical(written: str) -> str:
        try:
            return domains.canonical(written)
        except Refused as refused:
            return refused.template

    assert canonical(text) == canonical(text.upper()) == canonical(text + ".")
