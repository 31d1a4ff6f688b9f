"""Read a ``settings.toml``, let ``HTTPCA_...`` variables override it, and check it against a type.

An unknown key or a wrong value is refused with file, key, and what would be right.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pipeline.errors import SettingsError

S = TypeVar("S", bound="Settings")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all settings; ``role`` says whose they are."""


FILE = "settings.toml"


def load(
    kind: type[S], directory: Path, role: str, environment: Mapping[str, str] = os.environ
) -> S:
    """Read ``directory/settings.toml`` as ``kind``.

    ``HTTPCA_WEB_DATABASE`` overrides ``database`` of the role ``web``,
    ``HTTPCA_WEB_HTTP_PORT`` overrides ``port`` in its table ``[http]``.

    Raises:
        SettingsError: the file is missing, not TOML, of another role, or a value is wrong.
    """
    file = directory / FILE
    try:
        found: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(
            file, "", f"there is no such file; `httpca setup` makes the folder of role {role}"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(file, "", f"this is not readable TOML: {error}") from error
    if found.get("role") != role:
        raise SettingsError(
            file, "role", f"is {found.get('role')!r}, but this process is of role {role!r}"
        )
    _override(found, f"HTTPCA_{role.upper()}_", environment, kind)
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _explain(file, error, kind) from error


def _override(
    found: dict[str, Any], prefix: str, environment: Mapping[str, str], kind: type[Settings]
) -> None:
    for field in msgspec.structs.fields(kind):
        table = field.type if isinstance(field.type, type) else None
        if table is not None and issubclass(table, Settings):
            inner = dict(found.get(field.encode_name, {}))
            _override(inner, f"{prefix}{field.name.upper()}_", environment, table)
            if inner:
                found[field.encode_name] = inner
        elif (value := environment.get(prefix + field.name.upper())) is not None:
            found[field.encode_name] = value


def _explain(file: Path, error: msgspec.ValidationError, kind: type[Settings]) -> SettingsError:
    message, _, where = str(error).partition(" - at `$")
    key = where.rstrip("`").lstrip(".")
    unknown = re.search(r"unknown field `(.+)`", message)
    if unknown:
        table = _struct_at(kind, key)
        known = ", ".join(field.encode_name for field in msgspec.structs.fields(table))
        key = f"{key}.{unknown[1]}".lstrip(".")
        return SettingsError(file, key, f"there is no such setting; there are: {known}")
    missing = re.search(r"missing required field `(.+)`", message)
    if missing:
        key = f"{key}.{missing[1]}".lstrip(".")
        return SettingsError(file, key, "is missing, and has no default")
    return SettingsError(file, key, message)


def _struct_at(kind: type[Settings], key: str) -> type[Settings]:
    for part in filter(None, key.split(".")):
        for field in msgspec.structs.fields(kind):
            if field.encode_name == part:
                kind = field.type
    return kind
