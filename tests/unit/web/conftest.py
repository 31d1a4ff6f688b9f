"""A website for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.website import Website


@pytest.fixture
def website(tmp_path: Path) -> Iterator[Website]:
    """A website that admits anonymous requesters."""
    made = Website(tmp_path)
    yield made
    made.close()


@pytest.fixture
def closed_website(tmp_path: Path) -> Iterator[Website]:
    """A website that admits known requesters only."""
    made = Website(tmp_path, http={"anonymous": False})
    yield made
    made.close()
