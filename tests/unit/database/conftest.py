"""A signer database on SQLite, with its schema."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.database.engine import Database, open_database
from pipeline.signer.tables import metadata


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'signer.db'}")
    metadata.create_all(opened.engine)
    yield opened
    opened.dispose()
