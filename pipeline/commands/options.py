"""Options that several commands have, and how a command answers."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class NothingFound(click.ClickException):
    """What the command was to work on does not exist."""

    exit_code = 3


def config_option(metavar: str) -> Callable[[F], F]:
    """Return the option that names the folder of a side."""
    return click.option(
        "--config",
        "directory",
        metavar=metavar,
        required=True,
        type=click.Path(path_type=Path),
        help="The side's folder, as `httpca setup` made it.",
    )


json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


def answer(as_json: bool, found: Any, sentence: str) -> None:
    """Write what was found as JSON, or the sentence that says it."""
    click.echo(to_json(found) if as_json else sentence)


def to_json(found: Any) -> str:
    """Return JSON in ASCII, so that nothing in it can steer a terminal."""
    return json.dumps(_plain(found), indent=2).replace("\x7f", "\\u007f")


def _plain(found: Any) -> Any:
    if isinstance(found, Mapping):
        return {str(name): _plain(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [_plain(value) for value in found]
    if isinstance(found, datetime):
        return found.isoformat()
    if isinstance(found, bytes | Path):
        raise TypeError("octets and paths are written by those who know what they are")
    return found
