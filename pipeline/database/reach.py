"""What an error of the database means: that it is out of reach, or that something is wrong."""

from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

STANDBY: Final = "25006"
"""The SQLSTATE of a PostgreSQL that is not (or no longer) the primary: read only."""


def is_out_of_reach(error: BaseException) -> bool:
    """Say whether an exception means that a database is out of reach, or takes no changes now, so that
    the same may be tried again later."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) == STANDBY
