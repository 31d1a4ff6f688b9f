"""Open the signer's database for an operator."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from pipeline.commands.options import NothingFound
from pipeline.database.engine import Database, open_database
from pipeline.database.migrate import check
from pipeline.signer.operate import NotFound
from settings.signer import load_signer


@contextmanager
def signer_database(directory: Path) -> Iterator[Database]:
    """Open the database of the signer side in ``directory``.

    Raises:
        SettingsError: the settings are wrong or of another role, or migrations are missing.
        NothingFound: the block looked for a request that does not exist.
    """
    database = open_database(load_signer(directory).database, pool_size=1)
    try:
        check(database, "signer", directory)
        yield database
    except NotFound as error:
        raise NothingFound(str(error)) from error
    finally:
        database.dispose()


class RequestId(click.ParamType[str]):
    """A request's id, in any way in which a UUID is written."""

    name = "id"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the id as the database has it."""
        try:
            return str(uuid.UUID(str(value)))
        except ValueError:
            self.fail("this is no id; `httpca requests list` shows the ids", param, ctx)
