"""Commits that are held, so that a test sees what goes on meanwhile."""

import threading

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from tests.waiting import NOT_FOR_EVER
from tests.website import Website


class Commits:
    """Commits of a website that are held until they may go on."""

    def __init__(self, website: Website) -> None:
        self.under_way = 0
        self.go_on = threading.Event()
        self.fail = False
        self._commit = website.database.commit
        website.database.commit = self.commit  # type: ignore[method-assign]

    def commit(self, connection: Connection) -> None:
        self.under_way += 1
        assert self.go_on.wait(NOT_FOR_EVER)
        if self.fail:
            raise OperationalError("COMMIT", {}, Exception("gone"))
        self._commit(connection)
