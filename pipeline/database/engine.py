"""Open a database, and the two ways to use it: ``read`` and ``write``.

SQLite: ``BEGIN IMMEDIATE`` for every write, so that a transaction never fails half way because
another began to write; WAL, so that readers do not wait; ``synchronous=FULL``, so that a commit
survives a power cut. Engines hide parameters: no CSR reaches a log or an error message.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from sqlalchemy import URL, Connection, Row, create_engine, event, make_url
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from pipeline.database.reach import STANDBY

AnyRow = Row[*tuple[Any, ...]]
"""A row of whatever columns."""

SQLITE_BUSY = 30.0
"""Seconds that a writer of SQLite waits for another."""


class Database:
    """One side's database.

    ``commit`` is a seam: a simulation replaces it to stop before or after, or to lose the answer.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # What only reads needs no BEGIN and no ROLLBACK around each statement, which would be two
        # more round trips. At READ COMMITTED a transaction would not see anything else.
        autocommit = {"isolation_level": "AUTOCOMMIT"} if self.dialect == "postgresql" else {}
        self._reading = engine.execution_options(**autocommit)

    @property
    def dialect(self) -> str:
        """``postgresql`` or ``sqlite``."""
        return self.engine.dialect.name

    @property
    def shown(self) -> str:
        """The URL for people: without the password, and without what says how TLS is spoken."""
        return self.engine.url.set(query={}).render_as_string(hide_password=True)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that commits when the block ends, and rolls back when it raises."""
        with self.engine.connect() as connection:
            connection.execution_options(httpca_write=True)
            with connection.begin() as transaction:
                yield connection
                if transaction.is_active:
                    self.commit(connection)

    @contextmanager
    def change(self) -> Iterator[Connection]:
        """Open a connection for changes each of which may be committed by itself: on PostgreSQL every
        statement is a transaction of its own, without the round trips of BEGIN and COMMIT."""
        with self.read() if self.dialect == "postgresql" else self.write() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection that is not meant to write, for a single statement, or for several that
        need not agree: on PostgreSQL each sees what is committed when it begins."""
        with self._reading.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open a connection for several statements that must agree: all of them see what was
        committed when the first of them began."""
        with self.engine.connect() as connection:
            if self.dialect == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    def commit(self, connection: Connection) -> None:
        """Commit the transaction of ``write``."""
        connection.commit()

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_database(
    url: str | URL, *, pool_size: int = 5, read_only: bool = False, by_keys: bool = False
) -> Database:
    """Open a database by its SQLAlchemy URL; nothing is connected yet.

    ``by_keys`` is for processes that never need a whole table, and do nothing else in a transaction:
    see ``BY_KEYS`` and ``NOT_FROZEN``.

    Raises:
        ValueError: the URL names neither PostgreSQL nor SQLite.
    """
    url = make_url(url)
    if url.get_backend_name() == "sqlite":
        return Database(_sqlite(url, read_only=read_only))
    if url.get_backend_name() == "postgresql":
        options = [*(["default_transaction_read_only=on"] if read_only else ())]
        options += [*BY_KEYS, NOT_FROZEN] if by_keys else []
        return Database(_postgresql(url, pool_size, options))
    raise ValueError("the database is postgresql+psycopg://... or sqlite:///...")


def _sqlite(url: URL, *, read_only: bool) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        connect_args={"timeout": SQLITE_BUSY, "check_same_thread": False},
        json_serializer=_json,
        json_deserializer=msgspec.json.decode,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        cursor.execute("PRAGMA query_only=ON" if read_only else "PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("httpca_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: URL, pool_size: int, settings: Iterable[str]) -> Engine:
    own = url.query.get("options", ())
    options = " ".join([*([own] if isinstance(own, str) else own), *_flags(settings)])
    engine = create_engine(
        url,
        hide_parameters=True,
        # All are kept, also those of the busiest moment: each one costs the server a new process.
        pool_size=2 * pool_size,
        max_overflow=0,
        json_serializer=_json,
        json_deserializer=msgspec.json.decode,
        pool_pre_ping=False,
        pool_use_lifo=True,
        connect_args={"application_name": "httpca", **NOTICE_A_DEAD_SERVER}
        | ({"options": options} if options else {}),
    )
    event.listen(engine, "handle_error", _leave_standby)
    event.listen(engine, "handle_error", _leave_out_details)
    event.listen(engine, "connect", _ids_as_text)
    return engine


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _ids_as_text(connection: Any, _record: ConnectionPoolEntry) -> None:
    """Ids are text in Python: making objects of them, only to write these out again, is left out."""
    from psycopg.types.string import TextLoader  # only where there is a PostgreSQL

    connection.adapters.register_loader("uuid", TextLoader)


def _flags(settings: Iterable[str]) -> list[str]:
    return [f"-c {setting}" for setting in settings]


BY_KEYS: Final = (
    "plan_cache_mode=force_generic_plan",
    "jit=off",
    "enable_seqscan=off",
    "enable_hashjoin=off",
    "enable_mergejoin=off",
)
"""Settings of PostgreSQL's planner: rows are found by an index, and joined by one, wherever there is
one. It plans a prepared statement once, perhaps while a table is new and looks small; without these
it would then read all of the table each time until the table is analysed, while that grows. And it
plans for no value anew: the more it knows of a large table, the longer that takes. Without the values
it fears the worst, and would compile what then reads a few rows."""

NOT_FROZEN: Final = "idle_in_transaction_session_timeout=30s"
"""For how long PostgreSQL waits for the next statement of a transaction. Then it ends the connection:
its process is frozen, or lost with its host, and others would wait for its locks until it is back."""

NOTICE_A_DEAD_SERVER: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""A server that vanished without a word is noticed within about half a minute (libpq; seconds, but
for ``tcp_user_timeout`` in milliseconds)."""


def _leave_standby(context: ExceptionContext) -> None:
    """Connect anew where a server takes no changes: it was the primary, or a name led to it, and now
    may lead to another. A connection that is kept would lead there for ever."""
    if getattr(context.original_exception, "sqlstate", None) == STANDBY:
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False  # others may do for reading


def _leave_out_details(context: ExceptionContext) -> None:
    """Keep row contents out of errors, and so out of logs: PostgreSQL's DETAIL quotes them."""
    primary = getattr(getattr(context.original_exception, "diag", None), "message_primary", None)
    if primary is None or context.sqlalchemy_exception is None:
        return
    kind = type(context.original_exception).__name__
    context.original_exception.args = (primary,)
    context.sqlalchemy_exception.args = (f"({kind}) {primary}",)
