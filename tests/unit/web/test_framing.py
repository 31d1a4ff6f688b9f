"""Where a request ends: what leaves any doubt is refused, and nothing that follows it is answered."""

import logging

import pytest

from tests.unit.web.test_connections import connect, serving
from tests.website import Website

CLOSED_BY_THEN = 10.0
"""Seconds."""

SUBMIT = b"POST /api/v1/requests HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""What is in the body for one reader, and the next request for another."""

DOUBTFUL = {
    # A proxy that looks at the length alone would pass on the second one, as a body.
    "two lengths": SUBMIT
    + CHUNKED
    + b"Content-Length: %d\r\n\r\n0\r\n\r\n" % (5 + len(SMUGGLED))
    + SMUGGLED,
    # HTTP/1.0 knows no Transfer-Encoding, but a proxy may.
    "chunks in HTTP/1.0": SUBMIT.replace(b"1.1", b"1.0")
    + CHUNKED
    + b"Connection: keep-alive\r\n\r\n"
    + SMUGGLED,
    "chunks in HTTP/1.0, and a length": SUBMIT.replace(b"1.1", b"1.0")
    + CHUNKED
    + b"Connection: keep-alive\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunks in a version that there is not": SUBMIT.replace(b"1.1", b"1.9")
    + CHUNKED
    + b"Connection: keep-alive\r\n\r\n"
    + SMUGGLED,
    "a coding before the chunks": SUBMIT
    + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    # Whether there is a coding at all, or two, is what readers differ about.
    "an empty coding, and a length": SUBMIT
    + b"Transfer-Encoding:\r\nContent-Length: 0\r\n\r\n"
    + SMUGGLED,
    "no coding but a comma": SUBMIT
    + b"Transfer-Encoding: ,\r\nContent-Length: 0\r\n\r\n"
    + SMUGGLED,
    "chunks twice": SUBMIT + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
    "chunks twice in a line": SUBMIT
    + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "chunks twice in two lines": SUBMIT
    + b"Transfer-Encoding: chunked,\r\n chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "two different lengths": SUBMIT
    + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED)
    + SMUGGLED,
    "a length with a sign": SUBMIT + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "a chunk with a sign": SUBMIT + CHUNKED + b"\r\n+0\r\n\r\n" + SMUGGLED,
    "a space before the colon": SUBMIT
    + b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
}

UNREADABLE = {
    "an address without its end": b"GET http://[ HTTP/1.1\r\n\r\n",
    "an address without its beginning": b"GET http://::1]/ HTTP/1.1\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "a length that is none, and a question whether to send the body": SUBMIT
    + b"Expect: 100-continue\r\nContent-Length: +5\r\n\r\n",
    "a length of thousands of digits": SUBMIT + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
}


def answers(url: str, sent: bytes) -> bytes:
    """Return all that is answered until the connection is closed."""
    with connect(url) as connection:
        connection.settimeout(CLOSED_BY_THEN)
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(10_000), b""))


@pytest.mark.parametrize("sent", DOUBTFUL.values(), ids=DOUBTFUL.keys())
def test_what_follows_a_request_whose_end_is_in_doubt_is_not_answered(
    website: Website, sent: bytes
) -> None:
    with serving(website, slow=2.0) as url:
        answered = answers(url, sent)
    assert answered.count(b"HTTP/1.") == 1
    assert answered.split(b" ")[1] in {b"400", b"501"}
    assert b"Connection: close" in answered


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_answered_so_and_is_no_error_of_ours(
    website: Website, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(website) as url:
        answered = answers(url, sent)
    assert answered.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


def test_chunks_and_lengths_by_themselves_are_read(website: Website) -> None:
    last = SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with serving(website) as url:
        for sent in (
            SUBMIT + CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n" + last,
            SUBMIT + b"Content-Length: 2\r\n\r\n{}" + last,
        ):
            answered = answers(url, sent)
            assert [part[:4] for part in answered.split(b"HTTP/1.1 ")[1:]] == [b"415 ", b"200 "]
