"""Directories as `httpca setup` and `httpca migrate` make them, for commands to be tried on."""

from pathlib import Path

import pytest

from pipeline.cli import main


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with migrated databases; tests put nothing into it that others would mind."""
    directory = tmp_path_factory.mktemp("cli") / "ca"
    assert main(["setup", str(directory)]) == 0
    for side in ("web", "signer"):
        assert main(["migrate", "--config", str(directory / side)]) == 0
    return directory


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory of the test's own."""
    assert main(["setup", str(tmp_path / "ca")]) == 0
    for side in ("web", "signer"):
        assert main(["migrate", "--config", str(tmp_path / "ca" / side)]) == 0
    return tmp_path / "ca"
