"""Read a ``settings.toml``, let ``HTTPCA_...`` variables override it, and check it against a type.

An unknown key or a wrong value is refused with file, key, and what would be right.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

import msgspec

from pipeline.errors import SettingsError

S = TypeVar("S", bound="Settings")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all settings; ``role`` says whose they are."""


FILE = "settings.toml"

NOT_TOML: Final = (ValueError, RecursionError)
"""What reading TOML raises: its own ``ValueError``, that of a number without end, and the other one of
brackets within brackets."""

_EXPECTED: Final = re.compile(r"Expected `(\w+)`( [<>]=? [\d.]+)?(?:, got `\w+`)?")

TYPES: Final = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "object": "a table",
    "str": "a text in quotes",
}
"""The types that msgspec names, for people who do not know Python's names."""

DIRECTORY = "directory"
"""The one field that is not read: where the file lies."""


def load(
    kind: type[S], directory: Path, role: str, environment: Mapping[str, str] = os.environ
) -> S:
    """Read ``directory/settings.toml`` as ``kind``.

    ``HTTPCA_WEB_DATABASE`` overrides ``database`` of the role ``web``,
    ``HTTPCA_WEB_HTTP_PORT`` overrides ``port`` in its table ``[http]``. A list is given with commas.

    Raises:
        SettingsError: the file is missing, not TOML, or of another role, a value is wrong, or a
            variable overrides nothing.
    """
    file = directory / FILE
    try:
        found = read(file)
    except FileNotFoundError as error:
        raise SettingsError(
            file, "", f"there is no such file; `httpca setup` makes the folder of role {role}"
        ) from error
    if found.get("role") != role:
        raise SettingsError(
            file, "role", f"is {found.get('role')!r}, but this process is of role {role!r}"
        )
    if DIRECTORY in found:
        raise SettingsError(file, DIRECTORY, "is no setting: it is where the file lies")
    variables = _variables(kind, f"HTTPCA_{role.upper()}_")
    _override(found, variables, f"HTTPCA_{role.upper()}_", environment)
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        explained = _explain(file, error, kind)
        setting = explained.key.partition("[")[0]  # a whole list is one variable
        for name, (path, _) in variables.items():
            if name in environment and ".".join(path) == setting:
                raise SettingsError(f"variable {name}", explained.key, explained.problem) from error
        raise explained from error


def read(file: Path) -> dict[str, Any]:
    """Return what stands in a ``settings.toml``, unchecked and without variables.

    Raises:
        FileNotFoundError: there is no such file.
        SettingsError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SettingsError(file, "", f"cannot be read: {error.strerror}") from error
    except NOT_TOML as error:
        raise SettingsError(file, "", f"this is not readable TOML: {error}") from error


Variables = dict[str, tuple[tuple[str, ...], bool]]
"""For each variable the path of the setting that it overrides, and whether that is a list."""


def _variables(kind: type[Settings], prefix: str, path: tuple[str, ...] = ()) -> Variables:
    found: Variables = {}
    for field in msgspec.structs.fields(kind):
        here = (*path, field.encode_name)
        name = prefix + field.name.upper()
        if _tables_of(field.type) is not None:
            continue  # a list of tables is not written in a variable
        if isinstance(field.type, type) and issubclass(field.type, Settings):
            found |= _variables(field.type, f"{name}_", here)
        elif field.name not in (DIRECTORY, "role"):
            found[name] = (here, get_origin(field.type) is list)
    return found


def _override(
    found: dict[str, Any], variables: Variables, prefix: str, environment: Mapping[str, str]
) -> None:
    for name, value in environment.items():
        if not name.startswith(prefix):
            continue
        if name not in variables:
            known = ", ".join(sorted(variables))
            raise SettingsError(f"variable {name}", "", f"overrides no setting; there are: {known}")
        (*tables, key), is_list = variables[name]
        if not _is_text(value):
            raise SettingsError(f"variable {name}", "", "is not text in UTF-8")
        table = found
        for one in tables:
            table = table.setdefault(one, {})
            if not isinstance(table, dict):
                raise SettingsError(f"variable {name}", one, f"is no table; write [{one}]")
        table[key] = [part.strip() for part in value.split(",")] if is_list else value


def _is_text(value: str) -> bool:
    """Say whether a variable was UTF-8; what was not stands in it as lone surrogates (PEP 383)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _explain(file: Path, error: msgspec.ValidationError, kind: type[Settings]) -> SettingsError:
    message, _, where = str(error).partition(" - at `$")
    key = where.rstrip("`").lstrip(".")
    unknown = re.search(r"unknown field `(.+)`", message)
    if unknown:
        table = _struct_at(kind, key)
        fields = (field.encode_name for field in msgspec.structs.fields(table))
        known = ", ".join(name for name in fields if name != DIRECTORY)
        key = f"{key}.{unknown[1]}".lstrip(".")
        return SettingsError(file, key, f"there is no such setting; there are: {known}")
    missing = re.search(r"missing required field `(.+)`", message)
    if missing:
        key = f"{key}.{missing[1]}".lstrip(".")
        return SettingsError(file, key, "is missing, and has no default")
    if message.startswith("Invalid enum value "):
        return SettingsError(file, key, f"must be one of: {', '.join(_choices(kind, key))}")
    if expected := _EXPECTED.fullmatch(message):
        right, bound = expected.groups("")
        return SettingsError(file, key, f"must be {TYPES.get(right, right)}{bound}")
    return SettingsError(file, key, message)


def _choices(kind: type[Settings], key: str) -> tuple[str, ...]:
    *tables, name = key.split(".")
    fields = msgspec.structs.fields(_struct_at(kind, ".".join(tables)))
    return next(get_args(field.type) for field in fields if field.encode_name == name)


def _struct_at(kind: type[Settings], key: str) -> type[Settings]:
    for part in filter(None, key.split(".")):
        for field in msgspec.structs.fields(kind):
            if field.encode_name == part.partition("[")[0]:
                kind = _tables_of(field.type) or field.type
    return kind


def _tables_of(kind: Any) -> type[Settings] | None:
    """Return the type of the tables when this is the type of a list of tables."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is not list:
        return None
    (item,) = get_args(kind)
    return item if isinstance(item, type) and issubclass(item, Settings) else None
