"""What a requester is told of a CSR that is not taken."""

import pytest

from pipeline.crypto import csr as csrs
from pipeline.errors import RequesterError


def refusal(octets: bytes) -> RequesterError:
    with pytest.raises(RequesterError) as caught:
        csrs.read(octets)
    assert str(caught.value).isprintable()
    return caught.value
