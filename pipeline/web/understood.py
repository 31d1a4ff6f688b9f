"""What was understood of a CSR, in the requester's language."""

from dataclasses import dataclass
from typing import Final

from flask_babel import gettext

from pipeline.crypto import csr as csrs
from pipeline.crypto.csr import Csr
from pipeline.errors import N_, RequesterError

_IGNORED: Final = {
    "extension": N_("Extension “%(name)s”"),
    "attribute": N_("Attribute “%(name)s”"),
    "subject": N_("Part of the subject, unless the profile takes it over: “%(name)s”"),
}
_KINDS: Final = {
    "dns": N_("DNS name"),
    "ip": N_("IP address"),
    "email": N_("E-mail address"),
    "uri": N_("URI"),
    "upn": N_("User principal name"),
}
RSA: Final = N_("RSA, %(bits)s bits")
EC: Final = N_("EC, curve %(curve)s")


@dataclass(frozen=True, slots=True)
class ShownName:
    """A name: its kind, the name as people read it, and as it is in the certificate if that differs."""

    kind: str
    display: str
    ascii: str | None


@dataclass(frozen=True, slots=True)
class Understood:
    """A CSR for people."""

    subject: str
    names: list[ShownName]
    key: str
    fingerprint: str
    ignored: list[str]

    @property
    def title(self) -> str:
        """The first name, for which the certificate is known to people."""
        return self.names[0].display if self.names else self.subject


@dataclass(frozen=True, slots=True)
class Heading:
    """A CSR in a line: what its page is called, and how many further names it has."""

    title: str
    further: int


def understood(csr: Csr) -> Understood:
    """Return a CSR for people."""
    kinds = {kind: gettext(text) for kind, text in _KINDS.items()}
    return Understood(
        subject=csr.subject,
        names=[
            ShownName(
                kinds[name.kind],
                name.display(),
                name.value if name.is_idn else None,
            )
            for name in csr.names
        ],
        key=_key(csr.key.kind, csr.key.text),
        fingerprint=csr.key.fingerprint,
        ignored=[_ignored(text) for text in csr.ignored],
    )


def stored(der: bytes) -> Understood | None:
    """Return a stored CSR for people; None when this release no longer reads it."""
    try:
        return understood(csrs.read(der))
    except RequesterError:
        return None


def heading(der: bytes) -> Heading | None:
    """Return a stored CSR in a line, of whose names there may be thousands; None when this release no
    longer reads it."""
    try:
        csr = csrs.read(der)
    except RequesterError:
        return None
    names = csr.names
    return Heading(names[0].display() if names else csr.subject, max(0, len(names) - 1))


def _key(kind: str, text: str) -> str:
    family, _, size = kind.partition(":")
    if family == "rsa":
        return str(gettext(RSA, bits=size))
    return str(gettext(EC, curve=size)) if family == "ec" else text


def _ignored(text: str) -> str:
    kind, _, name = text.partition(" ")
    template = _IGNORED.get(kind)
    return text if template is None else str(gettext(template, name=name))
