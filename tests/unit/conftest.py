"""What the unit tests print at their end: how many cases of each vector file were tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Final

import pytest

TRIED: Final = pytest.StashKey[Counter[str]]()
PASSED: Final = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "vectors(name): each of its cases is one of that vector file"
    )
    config.stash[TRIED], config.stash[PASSED] = Counter(), Counter()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    marker = item.get_closest_marker("vectors")
    if marker is not None and report.when == "call":
        item.config.stash[TRIED][marker.args[0]] += 1
        item.config.stash[PASSED][marker.args[0]] += report.passed
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how many vectors there were, when any were tried."""
    tried, passed = config.stash[TRIED], config.stash[PASSED]
    if tried:
        counts = ", ".join(f"{name} {passed[name]} of {tried[name]}" for name in sorted(tried))
        terminalreporter.write_line(f"vectors as they should be: {counts}")
