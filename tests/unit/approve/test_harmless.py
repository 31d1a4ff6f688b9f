"""What somebody else wrote cannot mislead the eye."""

import pytest

from pipeline.approve.harmless import harmless


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain text, äöü, 例え", "plain text, äöü, 例え"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),  # colour
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),  # window title
        ("\x9b2J", r"\x9b2J"),  # CSI as one C1 character
        ("two\nlines\r\n", r"two\x0alines\x0d\x0a"),  # a second line, and one written over
        ("a\tb\x08c\x7f", r"a\x09b\x08c\x7f"),  # tab, backspace, delete
        ("evil\u202egpj.exe", r"evil\u202egpj.exe"),  # right-to-left override
        ("\u2066isolated\u2069", r"\u2066isolated\u2069"),  # bidirectional isolate
        ("pay\u200bpal", r"pay\u200bpal"),  # zero width space
        ("soft\u00adhyphen", r"soft\xadhyphen"),
        ("line\u2028separator", r"line\u2028separator"),
        ("\U000e0041tag", r"\U000e0041tag"),  # an invisible tag letter
        ("\ufefftext", r"\ufefftext"),  # byte order mark
        ("\u3164blank\u115f", r"\u3164blank\u115f"),  # Hangul fillers show as nothing
        ("a\U0001d159b", r"a\U0001d159b"),  # so does the head of a note that has none
        ("wide\u3000space\u00a0", r"wide\u3000space\xa0"),  # spaces that are none
        ("x\ufe0f\U000e0100", r"x\ufe0f\U000e0100"),  # variation selectors
        ("\u0301e", r"\u0301e"),  # a mark with nothing to stand on
        ("Việt", "Việt"),
        ("z\u0301\u0302\u0303\u0304", "z\u0301\u0302\\u0303\\u0304"),  # piled marks
        ("[bold red]markup[/]", "[bold red]markup[/]"),  # kept: Text knows no markup
    ],
)
def test_what_hides_is_written_out(written: str, shown: str) -> None:
    assert harmless(written) == shown


def test_long_text_is_cut() -> None:
    assert harmless("x" * 500, 10) == "x" * 9 + "…"
