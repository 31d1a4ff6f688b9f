"""A process that dies at a commit."""

from sqlalchemy import Connection

from pipeline.database.engine import Database


class Killed(BaseException):
    """The process ends here."""


class Mortal(Database):
    """A database whose user dies at a commit: before it, or after it and before it is known."""

    def __init__(self, database: Database, at: int, *, after: bool) -> None:
        super().__init__(database.engine)
        self.left, self.after = at, after

    def commit(self, connection: Connection) -> None:
        self.left -= 1
        if self.left == 0:
            if self.after:
                super().commit(connection)
            raise Killed
        super().commit(connection)
