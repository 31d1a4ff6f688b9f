"""Throw-away servers for tests and for trying HttpCA out; they bind to the loopback only."""

from tests.servers.postgresql import PostgreSQL
from tests.servers.process import ServerError
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.softhsm import SoftHsm

__all__ = ["PostgreSQL", "RabbitMQ", "ServerError", "SoftHsm"]
