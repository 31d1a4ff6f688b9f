"""Whose folder this is: ``role`` in its ``settings.toml``."""

import tomllib
from pathlib import Path

from pipeline.errors import SettingsError
from settings.load import FILE, NOT_TOML


def read_role(directory: Path) -> str:
    """Return the role that a folder was made for.

    Raises:
        SettingsError: the file is missing, not TOML, or says no role.
    """
    file = directory / FILE
    try:
        role = tomllib.loads(file.read_text("utf-8")).get("role")
    except FileNotFoundError as error:
        raise SettingsError(file, "", "there is no such file; `httpca setup` makes it") from error
    except (OSError, *NOT_TOML) as error:
        raise SettingsError(file, "", f"this is not readable TOML: {error}") from error
    if not isinstance(role, str):
        raise SettingsError(file, "role", "is missing; it says whose settings these are")
    return role
