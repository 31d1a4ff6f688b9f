"""Passwords of accounts, and what a server is given instead of them.

The files that an administrator applies hold only what a server needs to check a password: who reads
them cannot connect with what stands there.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Final

SCRAM_ITERATIONS: Final = 4096
"""What PostgreSQL itself uses; the passwords are random, so more would slow down nobody but us."""


def new() -> str:
    """Return a password with 256 random bits, in characters that need no escape anywhere."""
    return secrets.token_urlsafe(32)


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """Return what PostgreSQL stores for a password (SCRAM-SHA-256: RFC 7677 and RFC 5803).

    ``password`` is ASCII, which SASLprep leaves as it is; ``salt`` is 16 random bytes unless given.
    """
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, SCRAM_ITERATIONS)
    stored = hashlib.sha256(_mac(salted, b"Client Key")).digest()
    server = _mac(salted, b"Server Key")
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{_base64(salt)}${_base64(stored)}:{_base64(server)}"


def rabbitmq_hash(password: str, salt: bytes | None = None) -> str:
    """Return what RabbitMQ stores for a password (``rabbit_password_hashing_sha256``).

    ``salt`` is 4 random bytes unless given.
    """
    salt = salt or secrets.token_bytes(4)
    return _base64(salt + hashlib.sha256(salt + password.encode()).digest())


def _mac(key: bytes, octets: bytes) -> bytes:
    return hmac.digest(key, octets, "sha256")


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
