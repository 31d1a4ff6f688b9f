"""Read the passphrase of a key from the file that an operator keeps it in."""

from pathlib import Path

from pipeline.errors import SettingsError


def read_passphrase(file: Path) -> bytes:
    """Return the passphrase: the whole file but for the end of its last line.

    Raises:
        SettingsError: the file cannot be read, is empty, or has several lines.
    """
    try:
        found = file.read_bytes()
    except OSError as error:
        raise SettingsError(file, "", f"the passphrase cannot be read: {error.strerror}") from error
    passphrase = found.removesuffix(b"\n").removesuffix(b"\r")
    if not passphrase or b"\n" in passphrase:
        raise SettingsError(file, "", "a passphrase file holds one line: the passphrase")
    return passphrase
