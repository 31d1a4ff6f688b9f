from pipeline.crypto.visible import visible


def test_ordinary_text_stays_as_it_is() -> None:
    assert visible("CN=Bücher, O=日本\u3000\xa0") == "CN=Bücher, O=日本\u3000\xa0"


def test_a_terminal_escape_is_written_out() -> None:
    assert visible("a\x1b[31mb\x07\x00\x7f") == "a\\x1b[31mb\\x07\\x00\\x7f"


def test_bidirectional_and_invisible_characters_are_written_out() -> None:
    # Right-to-left override, zero-width space, line separator, a tag, a lone surrogate.
    text = "\u202e\u200b\u2028\U000e0041\ud800"
    assert visible(text) == "\\u202e\\u200b\\u2028\\U000e0041\\ud800"


def test_long_text_is_cut() -> None:
    assert visible("x" * 50, limit=10) == "x" * 9 + "…"
