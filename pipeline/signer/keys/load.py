"""Load a CA key from where the settings say it is: a file, or a token."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from pipeline.errors import SettingsError
from pipeline.signer.keys import SigningKey, TokenRefused
from pipeline.signer.keys import file as key_file
from pipeline.signer.keys.uri import SCHEME, KeyUri
from settings.passphrase import read_secret

log = structlog.get_logger(__name__)


def load_key(key: str, source: str, directory: Path) -> SigningKey:
    """Return a CA key.

    ``key`` is a file, below ``directory`` when relative, or a PKCS #11 URI; ``source`` where its
    passphrase or PIN comes from, as in ``settings.passphrase``.

    Raises:
        SettingsError: the key is not there, or its passphrase or PIN is missing or wrong.
        KeyUnavailable: the token is out of reach for now.
    """
    if key.startswith(SCHEME):
        return _from_token(key, source, directory)
    path = directory / key
    passphrase = None
    if source or key_file.is_encrypted(path):
        passphrase = read_secret(source, directory, f"the passphrase of the CA key {path}")
    return key_file.load(path, passphrase)


def parse_uri(text: str) -> KeyUri:
    """Read a PKCS #11 URI.

    Raises:
        SettingsError: what was found and what is allowed.
    """
    try:
        return KeyUri.parse(text)
    except ValueError as error:
        raise SettingsError("the key in the token", "", str(error)) from None


def read_pin(uri: KeyUri, source: str, directory: Path) -> str:
    """Return the PIN of a key's token.

    Raises:
        SettingsError: it cannot be had, or is not text.
    """
    what = f"the PIN of token {uri.token!r}"
    try:
        return read_secret(source, directory, what).decode()
    except UnicodeDecodeError:
        raise SettingsError(what, "", "is not text in UTF-8") from None


def _from_token(key: str, source: str, directory: Path) -> SigningKey:
    # Imported when a key is in a token: most signers have none and load no PKCS #11.
    from pipeline.signer.keys.token import TokenKey

    uri = parse_uri(key)
    pin = read_pin(uri, source, directory)
    try:
        with _after_the_others(directory):
            return TokenKey(uri, pin)
    except TokenRefused as error:
        raise SettingsError(uri, "", str(error)) from error


@contextmanager
def _after_the_others(directory: Path) -> Iterator[None]:
    """Hold a lock on a folder: the processes of one signer log in one after the other.

    SoftHSM 2 writes a token's file at each login, and who loads it meanwhile finds no token, or
    another PIN (SoftHSMv2 issue 757); signer workers are often started together.
    """
    handle = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:  # as on NFS; a collision is rare, and stops one start only
            log.warning("logins-may-collide", folder=str(directory), why=str(error))
        yield
    finally:
        os.close(handle)
