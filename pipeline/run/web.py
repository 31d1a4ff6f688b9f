"""Process `web`: serves pages and API. It has no access to the broker and never waits for it."""

from pathlib import Path

import structlog
from sqlalchemy.exc import OperationalError

from pipeline import log as logging
from pipeline.database.engine import open_database
from pipeline.database.migrate import check
from pipeline.run import garbage
from pipeline.run.exposed import warn_of_exposed
from pipeline.web.app import create_app
from pipeline.web.serve import serve
from settings.web import load_http

log = structlog.get_logger(__name__)


def main(directory: Path, port: int | None = None) -> int:
    """Serve until told to stop; return the exit code."""
    settings = load_http(directory)
    logging.configure(settings.log, "web")
    warn_of_exposed(settings.database)
    # Answers that are held need no connection while they are.
    connections = settings.http.threads - settings.http.long_polls
    database = open_database(settings.database, pool_size=connections, by_keys=True)
    try:
        check(database, "web", directory)
    except OperationalError as error:  # it answers 503 until its database is there
        log.warning("database-out-of-reach", error=type(error).__name__)
    app = create_app(settings, database)
    garbage.settle()
    serve(settings, app, port=port)
    return 0
