import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto import domains
from pipeline.crypto.visible import visible
from pipeline.errors import Refused


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
