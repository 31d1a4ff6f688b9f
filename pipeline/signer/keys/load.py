"""Load a CA key from where the settings say it is: a file, or a token."""

from pathlib import Path

from pipeline.errors import SettingsError
from pipeline.signer.keys import SigningKey, TokenRefused
from pipeline.signer.keys import file as key_file
from pipeline.signer.keys.uri import SCHEME, KeyUri
from settings.passphrase import read_secret


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
        return TokenKey(uri, pin)
    except TokenRefused as error:
        raise SettingsError(uri, "", str(error)) from error
