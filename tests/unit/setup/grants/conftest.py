"""A directory with accounts for tests that only look at it."""

from pathlib import Path

import pytest

from tests.unit.setup.grants.made import made


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("grants"), approvers=("alice", "bob"))
