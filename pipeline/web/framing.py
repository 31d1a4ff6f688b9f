"""Read a request so that everybody in between agrees where it ends, and refuse what is malformed.

Outside of HTTP/1.1 waitress ignores a Transfer-Encoding, which a proxy may follow: what is a body to
one is the next request to the other. And to some of what cannot be read it says nothing, but breaks the
connection off.
"""

import re
from typing import Final

from waitress.parser import HTTPRequestParser, ParsingError

_CODINGS: Final = re.compile(
    rb"\ntransfer-encoding:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.IGNORECASE
)
"""Each Transfer-Encoding among the headers."""


class Parser(HTTPRequestParser):
    """Reads one request."""

    def received(self, data: bytes) -> int:
        """Read on; return how many octets are of this request. What is refused already is not asked for
        its body (RFC 9110 section 10.1.1)."""
        consumed = int(super().received(data))
        if self.error:
            self.expect_continue = False
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read start line and headers.

        Raises:
            ParsingError: they are malformed, do not say for sure where the request ends (RFC 9112
                section 6.1), or not whom they are for (section 3.2).
        """
        try:
            super().parse_header(header_plus)
        except ValueError:  # of an address, or a number of thousands of digits
            raise ParsingError("Start line or Content-Length is invalid") from None
        codings = [found.strip(b" \t").lower() for found in _CODINGS.findall(header_plus)]
        # One that is empty is otherwise taken for none, and two are taken for one.
        if codings and not (self.chunked and codings == [b"chunked"]):
            raise ParsingError("Transfer-Encoding must be chunked, once, and needs version 1.1")
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Transfer-Encoding and Content-Length exclude each other")
        if self.version == "1.1" and "HOST" not in self.headers:
            raise ParsingError("Version 1.1 needs a Host")
