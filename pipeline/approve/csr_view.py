"""A closer look at the CSR: its text, and everything in it that the first screen leaves out."""

import hashlib
import warnings
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.approve.facts import Facts, pem
from pipeline.approve.harmless import harmless
from pipeline.crypto.certificates import extensions_of, request_from_der

SHOWN_OF_VALUE: Final = 120
"""Hexadecimal digits of an extension's value that are shown."""


def view(facts: Facts) -> RenderableType:
    """Return the CSR as PEM with its subject and extensions, and the rest of the request's text."""
    csr = facts.request.csr
    parts = [
        Text("The CSR", "bold"),
        Text(f"SHA-256 {hashlib.sha256(csr).hexdigest()}, {len(csr)} bytes"),
        *_contents(csr),
        Text(pem(csr).rstrip()),
    ]
    if facts.request.comment:
        parts += [Text("The whole comment", "bold"), Text(harmless(facts.request.comment, 2000))]
    parts.append(Text(f"A decision on all this signs the digest\n{facts.digest}"))
    return Group(*parts)


def _contents(csr: bytes) -> list[Text]:
    try:
        request = request_from_der(csr)
        with warnings.catch_warnings():  # the library warns on stderr of what is only too long
            warnings.simplefilter("ignore")
            lines = [f"Subject {harmless(request.subject.rfc4514_string())}"]
        for extension in extensions_of(request):
            value = extension.value.public_bytes().hex()
            more = f"… ({len(value) // 2} bytes)" if len(value) > SHOWN_OF_VALUE else ""
            critical = ", critical" if extension.critical else ""
            title = f"Extension {extension.oid.dotted_string}{critical}"
            lines.append(f"{title}: {value[:SHOWN_OF_VALUE]}{more}")
    except ValueError as error:
        return [Text(f"It cannot be taken apart: {harmless(str(error))}", "yellow")]
    return [Text(line) for line in lines]
