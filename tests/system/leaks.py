"""Look for secrets where they must not be, in every form in which they may be written."""

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import psycopg
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from psycopg import sql

SHORTEST = 12
"""Octets of a secret that can be told from chance."""

_PART = re.compile(rb"[A-Za-z0-9_-]{16,}")


@dataclass(frozen=True)
class Secret:
    """Something that must not be seen, and its forms."""

    name: str
    forms: frozenset[bytes]

    def is_in(self, octets: bytes) -> bool:
        return any(form in octets for form in self.forms)


def of_octets(name: str, octets: bytes) -> Secret:
    """Return a secret with its forms: as it is, hexadecimal, escaped, base64 at any position."""
    assert len(octets) >= SHORTEST, name
    forms = {
        octets,
        octets.hex().encode(),
        octets.hex().upper().encode(),
        repr(octets)[2:-1].encode(),
    }
    forms |= {octets.hex(":").encode(), octets.hex(":").upper().encode()}
    for offset, skipped in enumerate((0, 2, 3)):
        whole = (offset + len(octets)) // 3 * 4  # what comes after changes the rest
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(encode(bytes(offset) + octets)[skipped:whole])
    return Secret(name, frozenset(forms))


def of_text(name: str, text: str) -> Secret:
    """Return a secret text: a password, a passphrase, a token."""
    forms = of_octets(name, text.encode()).forms
    return Secret(name, forms | {quote(text, safe="").encode(), quote_plus(text).encode()})


def of_key(name: str, pem: bytes, passphrase: bytes | None = None) -> Secret:
    """Return a private key: its PEM's lines, encrypted or not, and its secret numbers."""
    lines = {line for line in pem.splitlines() if len(line) >= 40 and b"-----" not in line}
    assert lines, name
    return Secret(
        name,
        frozenset(lines).union(*(of_octets(name, one).forms for one in _octets(pem, passphrase))),
    )


def of_csr(name: str, der: bytes) -> Secret:
    """Return a CSR's body: its DER, and the lines of its PEM."""
    text = base64.b64encode(der)
    lines = {text[start : start + 64] for start in range(0, len(text) - 63, 64)}
    return Secret(name, of_octets(name, der).forms | lines)


def _octets(pem: bytes, passphrase: bytes | None) -> Iterator[bytes]:
    encrypted = b"ENCRYPTED" in pem
    key = load_pem_private_key(pem, passphrase if encrypted else None)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        yield key.private_bytes_raw()
        return
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = [key.private_numbers().private_value]
    elif isinstance(key, rsa.RSAPrivateKey):
        of_rsa = key.private_numbers()
        numbers = [of_rsa.d, of_rsa.p, of_rsa.q]
    else:
        raise AssertionError(f"no form of {type(key).__name__} is known here")
    for number in numbers:
        yield number.to_bytes((number.bit_length() + 7) // 8, "big")
        yield str(number).encode()


@dataclass
class Place:
    """Where was looked, and what was there."""

    name: str
    octets: bytes

    def finds(self, secrets: Iterable[Secret]) -> set[tuple[str, str]]:
        """Return which secrets are here, as pairs of place and secret."""
        return {(self.name, one.name) for one in secrets if one.is_in(self.octets)}


def files(folder: Path, under: str) -> list[Place]:
    """Return all files of a folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return [Place(f"{under}/{path.relative_to(folder)}", path.read_bytes()) for path in found]


def processes(ancestors: Iterable[int]) -> list[Place]:
    """Return command line and environment of these processes and of all that come from them."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    ours = set(ancestors)
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    found = []
    for pid in sorted(ours):
        for what in ("cmdline", "environ"):
            try:
                octets = Path(f"/proc/{pid}/{what}").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            found.append(Place(f"process {what} {pid}", octets))
    return found


def database(url: str, name: str) -> list[Place]:
    """Return every table, row after row."""
    found = []
    with psycopg.connect(url.replace("postgresql+psycopg:", "postgresql:", 1)) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
            values = [
                value if isinstance(value, bytes) else str(value).encode()
                for row in rows
                for value in row
            ]
            octets = b"\n".join(values)
            found.append(Place(f"{name} table {table}", octets + b"\n" + decoded(octets)))
    return found


def decoded(octets: bytes) -> bytes:
    """Return what is base64url in it, decoded: so messages are written."""
    parts = (part[: len(part) // 4 * 4] for part in _PART.findall(octets))
    return b"\n".join(base64.urlsafe_b64decode(part) for part in parts)
