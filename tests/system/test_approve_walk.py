"""An approver at a terminal, against a running `httpca dev`; and the README's picture, made from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.approve_walk import PICTURE, REASON, Seen, picture, walk
from tests.system.dev import Dev
from tests.terminal import COLUMNS, LOOKS, PROMPT, ROWS


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    dev = Dev(tmp_path_factory.mktemp("approve") / "ca")
    dev.start()
    try:
        yield walk(dev)
    finally:
        dev.close()


def test_what_was_accepted_is_issued_and_what_was_rejected_has_the_reason(seen: Seen) -> None:
    assert seen.code == 0
    assert seen.accepted["state"] == "issued"
    assert (seen.rejected["state"], seen.rejected["reason"]) == ("rejected", REASON)
    assert seen.skipped["state"] == "waiting_for_approval"


def test_each_request_is_on_one_screen_with_the_question_below_it(seen: Seen) -> None:
    lines = seen.first.splitlines()
    assert len(lines) <= ROWS
    assert lines[1].startswith("Request 1 (3 waiting) ")
    assert lines[-1].rstrip() == PROMPT
    assert f"Id        {seen.skipped['id']}" in [line.rstrip() for line in lines]
    texts = ["".join(char.data for char in line).rstrip() for line in seen.lines]
    last = texts[next(n for n, text in enumerate(texts) if text.startswith("Request 3 ")) :]
    assert next(n for n, text in enumerate(last) if text.startswith(PROMPT)) < ROWS


def test_csr_and_history_are_shown_on_a_key(seen: Seen) -> None:
    assert "-----END CERTIFICATE REQUEST-----" in seen.csr
    history = [line.rstrip() for line in seen.history.splitlines()]
    at = history.index("Certificates for its names, the newest")
    assert history[at : at + 3] == [history[at], "DNS:www.example.com", "  never issued"]
    assert f"  {seen.rejected['id']}" in seen.history


def test_nothing_is_drawn_twice_and_little_is_sent(seen: Seen) -> None:
    """Over a slow line: no movement of the cursor, and a request is a page of text and no more."""
    assert "\x1b" not in LOOKS.sub("", seen.raw)
    assert all(len(line) <= COLUMNS for line in LOOKS.sub("", seen.raw).split("\r\n"))
    last = seen.raw[seen.raw.index("Request 3 ") :]
    assert len(last.encode()) < 3000


def test_the_picture_of_the_readme_is_this_screen(seen: Seen) -> None:
    assert PICTURE.read_text("utf-8") == picture(seen), "draw it anew: make picture"


def test_the_readme_shows_the_picture() -> None:
    readme = (Path(PICTURE).parents[1] / "README.md").read_text("utf-8")
    assert "](docs/approve.svg)" in readme
