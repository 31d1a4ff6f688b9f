"""Properties that pika cannot decode do no harm."""

import struct

import pika
import pytest

from pipeline.broker.properties import CarefulProperties
from pipeline.broker.publisher import connection_parameters
from tests.attacks.forge import RawHeaders, nested


def encoded(table: bytes) -> bytes:
    return b"".join(RawHeaders(table).encode())


@pytest.mark.parametrize(
    "table",
    [
        b"\x01kT" + struct.pack(">Q", 2**63),  # a time beyond all years
        b"\x01kT" + struct.pack(">Q", 2**48),  # a time in the year 8921556
        nested(5000),  # deeper than the stack
        b"\x01k?",  # no type of AMQP
        b"\x01kS\xff",  # cut off
    ],
)
def test_headers_that_cannot_be_decoded_are_left_out(table: bytes) -> None:
    assert CarefulProperties().decode(encoded(table)).headers is None


def test_headers_that_can_be_decoded_are_there() -> None:
    found = CarefulProperties().decode(b"".join(pika.BasicProperties(headers={"k": 1}).encode()))

    assert found.headers == {"k": 1}


def test_whoever_is_about_to_connect_reads_properties_carefully() -> None:
    connection_parameters("amqp://127.0.0.1")

    assert pika.spec.props[pika.BasicProperties.INDEX] is CarefulProperties
