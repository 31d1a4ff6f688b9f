"""Liveness, readiness and metrics, for those who operate this."""

from http import HTTPStatus

import structlog
from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from pipeline.web import answers, delays, expiries
from pipeline.web.delays import Broker
from pipeline.web.metrics import metrics as measured
from pipeline.web.site import site

log = structlog.get_logger(__name__)

health = Blueprint("health", __name__)


@health.get("/healthz")
def alive() -> Response:
    """Say that this process answers."""
    return answers.json({"status": "ok"})


@health.get("/readyz")
def ready() -> Response:
    """Say whether requests can be taken, which needs the database; how the broker is, and whether a
    certificate that we depend on ends soon.

    Requests are taken while the broker is away, so that is no reason not to be ready.
    """
    here = site()
    try:
        with here.database.read() as connection:
            broker = delays.broker(connection, here.settings, here.now())
            certificates = expiries.known(connection)
    except SQLAlchemyError as error:
        log.warning("not-ready", error=type(error).__name__)
        body = {
            "status": "unavailable",
            "database": "unreachable",
            "broker": Broker.UNKNOWN,
            "detail": "The database cannot be reached; nothing can be submitted or read.",
        }
        return answers.json(body, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"})
    details = {
        Broker.OK: "All is well.",
        Broker.UNREACHABLE: "The broker cannot be reached; requests are taken, answers are delayed.",
        Broker.UNKNOWN: (
            "The worker or the clock has not been heard of lately; requests are taken, answers are"
            " delayed."
        ),
    }
    status = "ok" if broker is Broker.OK else "delayed"
    body = {
        "status": status,
        "database": "ok",
        "broker": broker,
        "certificates": expiries.ends(certificates, here.settings.expiry_days, here.now()),
        "detail": details[broker],
    }
    return answers.json(body)


@health.get("/metrics")
def metrics() -> Response:
    """Hand out the metrics in the text format of Prometheus."""
    return Response(generate_latest(measured().registry), content_type=CONTENT_TYPE_LATEST)
