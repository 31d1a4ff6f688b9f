"""The count of inputs, for the end of the run."""

import pytest

from tests.fuzz.table import TARGETS
from tests.fuzz.tally import TALLY, Tally
from tests.summary import tell


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    """What was tried so far."""
    return request.config.stash.setdefault(TALLY, Tally())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how many inputs were tried, when any were."""
    tally = config.stash.get(TALLY, None)
    if tally is not None:
        terminalreporter.write_line(tell(tally.sentence(len(TARGETS))))
