"""Whose folder this is: ``role`` in its ``settings.toml``."""

from pathlib import Path

from pipeline.errors import SettingsError
from settings.load import FILE, read


def read_role(directory: Path) -> str:
    """Return the role that a folder was made for.

    Raises:
        SettingsError: the file is missing, cannot be read, is not TOML, or says no role.
    """
    file = directory / FILE
    try:
        role = read(file).get("role")
    except FileNotFoundError as error:
        raise SettingsError(file, "", "there is no such file; `httpca setup` makes it") from error
    if not isinstance(role, str):
        raise SettingsError(file, "role", "is missing; it says whose settings these are")
    return role
