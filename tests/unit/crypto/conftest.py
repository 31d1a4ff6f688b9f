"""A world of message identities for each test."""

from pathlib import Path

import pytest

from tests.unit.crypto.message_world import MessageWorld


@pytest.fixture
def world(tmp_path: Path) -> MessageWorld:
    return MessageWorld(tmp_path / "trusted")
