"""The logs that are shown with a test that fails."""

from pathlib import Path

import pytest

from tests import logs


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(logs, "_kept", {})
    file = tmp_path / "web.log"
    logs.follow(file)
    return file


def test_the_last_lines_are_shown_and_earlier_ones_that_are_more_than_information(
    file: Path,
) -> None:
    assert dict(logs.ends()) == {}
    line = '{{"event":"{0}","level":"{1}"}}\n'
    first = line.format("early", "warning")
    file.write_text(first + "".join(line.format(number, "info") for number in range(100)))
    (shown,) = dict(logs.ends()).values()
    assert shown.splitlines() == [
        first.strip(),
        *(line.format(number, "info").strip() for number in range(100 - logs.LAST, 100)),
    ]


def test_what_is_gone_is_shown_with_the_test_in_which_it_went(file: Path) -> None:
    file.write_text("Segmentation fault\n")
    logs.keep(file)
    file.unlink()
    assert dict(logs.ends()) == {file: "Segmentation fault"}
    logs.forget()
    assert dict(logs.ends()) == {}
