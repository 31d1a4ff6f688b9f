"""The application that answers HTTP."""

from pathlib import Path

import structlog
from flask import Flask, request
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import event
from werkzeug.middleware.proxy_fix import ProxyFix

from pipeline.clock import Clock, now
from pipeline.database.engine import Database
from pipeline.web import access, headers, hosts, limits, locales, metrics, problems
from pipeline.web.api import api
from pipeline.web.aside import ensure_may_wait
from pipeline.web.form import FormRequest, printable
from pipeline.web.health import health
from pipeline.web.html import html
from pipeline.web.intake import Intake
from pipeline.web.notifier import Notifier
from pipeline.web.permits import Permits
from pipeline.web.secret import secret_key
from pipeline.web.sign_in import blueprint as sign_in
from pipeline.web.site import KEY, Site
from pipeline.web.tokens import Known
from settings.web import WebSettings


def create_app(
    settings: WebSettings,
    database: Database,
    clock: Clock = now,
    translations: Path = locales.DIRECTORY,
) -> Flask:
    """Make the application; it opens nothing before the first request comes.

    ``translations`` is the folder of compiled catalogues; languages without one are not offered.
    Whoever serves it calls ``close`` of its ``Site.notifier`` at the end.
    """
    app = Flask(__name__)
    app.request_class = FormRequest
    app.url_map.merge_slashes = False  # by a redirect to whatever Host was sent, and without TLS
    app.config |= {
        "SECRET_KEY": secret_key(settings),
        "MAX_CONTENT_LENGTH": settings.http.max_body,
        "MAX_FORM_MEMORY_SIZE": settings.http.max_body,
        "WTF_CSRF_TIME_LIMIT": None,  # as long as the session
    }
    event.listen(database.engine, "checkout", ensure_may_wait)
    notifier = Notifier(database, settings.http.long_polls)
    app.extensions[KEY] = Site(
        settings,
        database,
        clock,
        notifier,
        Intake(database),
        Permits(database, clock),
        Known(database, clock),
    )
    _set_up_templates(app)
    locales.set_up(app, translations)
    headers.set_up(app)
    problems.set_up(app)
    metrics.set_up(app, database, notifier)
    app.before_request(_bind_log)
    limits.count_addresses(app)  # before anything is read of what was sent
    hosts.set_up(app)
    CSRFProtect(app).exempt(api)
    for blueprint in (html, sign_in, api, health):
        app.register_blueprint(blueprint)
    access.set_up(app)
    limits.count_requesters(app)
    if settings.http.trusted_proxies:
        _trust_proxies(app, settings.http.trusted_proxies)
    return app


def _set_up_templates(app: Flask) -> None:
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.add_template_filter(printable)

    @app.context_processor
    def what_every_page_needs() -> dict[str, object]:
        return {
            "current_language": locales.current,
            "languages": locales.offered(),
            "requester": access.requester(),
            # Where a change of language leads back to: a page that was asked for by GET.
            "here": request.full_path.rstrip("?") if request.method == "GET" else "/",
        }


def _bind_log() -> None:
    structlog.contextvars.clear_contextvars()
    request_id = (request.view_args or {}).get("request_id")
    if request_id is not None:
        structlog.contextvars.bind_contextvars(request_id=str(request_id))


def _trust_proxies(app: Flask, count: int) -> None:
    """Believe what so many proxies in front of us say of the client's address and scheme."""
    app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
        app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_prefix=0
    )
