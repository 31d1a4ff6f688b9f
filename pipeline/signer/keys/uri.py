"""Where a key lies in a token: a PKCS #11 URI (RFC 7512), without a PIN in it."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

SCHEME: Final = "pkcs11:"
EXAMPLE: Final = "pkcs11:token=TOKEN;object=LABEL?module-path=/usr/lib/softhsm/libsofthsm2.so"

_PATH: Final = ("token", "serial", "object", "id", "type")
_QUERY: Final = ("module-path",)


@dataclass(frozen=True, slots=True)
class KeyUri:
    """One key in one token.

    ``module`` is the path of the PKCS #11 library; ``token`` the token's label, and ``serial`` its
    serial number where labels do not tell tokens apart; ``label`` (CKA_LABEL), ``id`` (CKA_ID) or
    both say which key.
    """

    module: str
    token: str
    serial: str = ""
    label: str = ""
    id: bytes = b""

    @classmethod
    def parse(cls, text: str) -> "KeyUri":
        """Read a URI.

        Raises:
            ValueError: what was found and what is allowed.
        """
        path, _, query = text.removeprefix(SCHEME).partition("?")
        if not text.startswith(SCHEME):
            raise ValueError(f"a key in a token is written as {EXAMPLE}")
        found = _attributes(path, ";", _PATH)
        found |= _attributes(query, "&", _QUERY)
        if found.pop("type", b"private") != b"private":
            raise ValueError("type: the key that signs is of type=private")
        for needed in ("token", "module-path"):
            if not found.get(needed):
                raise ValueError(f"{needed} is missing; a key in a token is written as {EXAMPLE}")
        if not (found.get("object") or found.get("id")):
            raise ValueError("object (the key's label) or id is missing; it says which key")
        return cls(
            module=_text("module-path", found),
            token=_text("token", found),
            serial=_text("serial", found),
            label=_text("object", found),
            id=found.get("id", b""),
        )

    def __str__(self) -> str:
        """Return the URI, in its one written form."""
        parts = [("token", quote(self.token)), ("serial", quote(self.serial))]
        parts += [("object", quote(self.label)), ("id", quote_from_bytes(self.id))]
        path = ";".join(f"{name}={value}" for name, value in parts if value)
        return f"{SCHEME}{path}?module-path={quote(self.module)}"

    @property
    def key(self) -> str:
        """Which key in the token, for people."""
        named = [f"labelled {self.label!r}"] if self.label else []
        return " and ".join(named + ([f"with id {self.id.hex()}"] if self.id else []))


def _attributes(text: str, separator: str, allowed: tuple[str, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in filter(None, text.split(separator)):
        name, _, value = part.partition("=")
        if name in ("pin-value", "pin-source"):
            raise ValueError(f"{name} does not belong here: say by `passphrase` where the PIN is")
        if name not in allowed:
            raise ValueError(f"{name!r} is not known here; allowed are {', '.join(allowed)}")
        if name in found:
            raise ValueError(f"{name} is there twice")
        found[name] = unquote_to_bytes(value)
    return found


def _text(name: str, found: dict[str, bytes]) -> str:
    try:
        text = found.get(name, b"").decode()
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not text in UTF-8") from None
    if not text.isprintable():
        raise ValueError(f"{name} holds something that cannot be seen")
    return text
