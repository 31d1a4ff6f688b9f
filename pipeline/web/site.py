"""What every page and call works with."""

from dataclasses import dataclass
from typing import Final, cast

from flask import current_app

from pipeline.clock import Clock
from pipeline.database.engine import Database
from pipeline.web.intake import Intake
from pipeline.web.notifier import Notifier
from pipeline.web.permits import Permits
from pipeline.web.tokens import Known
from settings.web import WebSettings

KEY: Final = "httpca"


@dataclass(frozen=True, slots=True)
class Site:
    """The web side as its pages and API see it."""

    settings: WebSettings
    database: Database
    now: Clock
    notifier: Notifier
    intake: Intake
    permits: Permits
    tokens: Known


def site() -> Site:
    """Return the site of the application that answers at the moment."""
    return cast(Site, current_app.extensions[KEY])
