"""What was filled into the form."""

import secrets
import ssl
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self
from unicodedata import category

from flask import Request
from werkzeug.formparser import FormDataParser

from pipeline.crypto.csr import Csr
from pipeline.errors import N_, Unreadable
from pipeline.web import idempotency
from pipeline.web.submit import Wish, examine
from settings.web import WebSettings

BOTH: Final = N_("You pasted a CSR and chose a file. Use only one of the two.")

_PEM_LABEL: Final = "CERTIFICATE REQUEST"
_FIELDS: Final = {"unknown-profile": "profile", "bad-comment": "comment"}


class NamedParts(FormDataParser):
    """Reads a form without what has no name (RFC 7578 section 4.2 demands one). Otherwise that is a
    field whose name is None, which nobody expects."""

    def parse(self, *arguments: Any, **further: Any) -> Any:
        """Return the rest of the stream, the fields and the files."""
        parsed: Any = super().parse(*arguments, **further)
        stream, fields, files = parsed
        if None in fields:
            named = [(name, text) for name, text in fields.items(multi=True) if name is not None]
            fields = self.cls(named)
        return stream, fields, files


class FormRequest(Request):
    """A request that may bring a form."""

    form_data_parser_class = NamedParts


@dataclass(frozen=True, slots=True)
class Filled:
    """The form's fields. ``key`` makes two clicks on the last button one submission."""

    csr: str = ""
    file: bytes = field(default=b"", repr=False)
    profile: str = ""
    comment: str = ""
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def with_csr(self, pem: str) -> Self:
        """Return the same form with the CSR that was read in place of what was sent."""
        return replace(self, csr=pem, file=b"")

    def octets(self) -> bytes:
        """Return what was pasted or uploaded.

        Raises:
            Unreadable: ``two-inputs``.
        """
        if self.file and self.csr.strip():
            raise Unreadable("two-inputs", BOTH)
        return self.file or self.csr.encode("utf-8", "replace")

    def field_of(self, slug: str) -> str:
        """Return the name of the field that a problem is about."""
        return _FIELDS.get(slug, "file" if self.file else "csr")

    def wish(self, requester: str | None) -> Wish:
        """Return what the requester asks for.

        Raises:
            Unreadable: ``two-inputs`` or ``bad-idempotency-key``.
        """
        octets = self.octets()
        texts = (text.encode("utf-8", "replace") for text in (self.profile, self.comment))
        once = idempotency.once(f"form-{self.key}", octets, *texts)
        return Wish(octets, self.profile, "web", requester, self.comment, once)


def fill(request: Request) -> Filled:
    """Read the form's fields."""
    form, file = request.form, request.files.get("file")
    filled = Filled(
        csr=form.get("csr", ""),
        file=b"" if file is None else file.read(),
        profile=form.get("profile", ""),
        comment=form.get("comment", "").strip().replace("\r\n", "\n"),
    )
    key = form.get("key", "")
    return replace(filled, key=key) if key else filled


def inspect(filled: Filled, settings: WebSettings) -> Csr:
    """Read the CSR and check what can be known here.

    Raises:
        RequesterError: what is wrong, and what to do about it.
    """
    return examine(filled.octets(), filled.profile, filled.comment, settings)


def printable(text: str) -> str:
    """Return the text without the control characters that HTML cannot hold."""
    return "".join(one for one in text if one in "\n\t" or category(one) not in {"Cc", "Cs"})


def pem_of(der: bytes) -> str:
    """Return a CSR (DER) as PEM."""
    return ssl.DER_cert_to_PEM_cert(der).replace(" CERTIFICATE-", f" {_PEM_LABEL}-")
