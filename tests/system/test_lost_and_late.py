"""A connection is lost, and the time of what waits on it is over, before its process notices either:
after it stood still for a while, both come at once."""

import time

import pika
import pytest
from pika.exceptions import ConnectionClosedByBroker

from pipeline.broker.limit import limit
from pipeline.broker.publisher import connection_parameters
from tests.servers import RabbitMQ

TIME = 1.0
"""Seconds; the broker has said farewell by then."""


def test_the_loss_is_reported_when_the_time_was_over_too(rabbitmq: RabbitMQ) -> None:
    rabbitmq.add_vhost("lost")
    (parameters,) = connection_parameters(rabbitmq.url(vhost="lost"))
    connection = pika.BlockingConnection(parameters)

    with limit(connection, TIME):
        rabbitmq.ctl("close_all_connections", "--vhost", "lost", "lost")
        time.sleep(TIME)
        with pytest.raises(ConnectionClosedByBroker):
            connection.process_data_events(60)
    assert connection.is_closed
    rabbitmq.delete_vhost("lost")
