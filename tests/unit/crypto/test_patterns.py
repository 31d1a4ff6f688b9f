import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto import names
from pipeline.crypto.patterns import Pattern
from pipeline.errors import Refused


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
