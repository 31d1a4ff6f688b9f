"""A request's id for messages, and why the gate refused one."""

import pytest

from pipeline.crypto.envelope import Envelope
from pipeline.errors import MessageRefused
from pipeline.stages import POLICY

ID = "01890000-0000-7000-8000-000000000001"


def refused(envelope: Envelope, token: bytes, queue: str = POLICY.queue) -> str:
    """Return why the gate refuses a token on a queue."""
    with pytest.raises(MessageRefused) as error:
        envelope.open(token, queue)
    return error.value.reason
