"""The shipped systemd units, as far as restarting goes: the harness restarts as they say."""

import configparser
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "packaging" / "systemd"


@dataclass(frozen=True, slots=True)
class Unit:
    """What a unit says of the end of its service; ``restart_after`` is in seconds."""

    name: str
    command: str
    restarts: bool
    restart_after: float
    gives_up: bool


def read(name: str) -> Unit:
    """Read the unit of a process of the Procfile, which may be a template."""
    (file,) = (
        f for f in FOLDER.glob("*.service") if f.stem in (f"httpca-{name}", f"httpca-{name}@")
    )
    # A unit may repeat a key (SystemCallFilter); those that count here stand once.
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(file.read_text("utf-8"))
    service = parser["Service"]
    return Unit(
        name,
        service["ExecStart"],
        service["Restart"] == "always",
        float(service["RestartSec"].removesuffix("s")),
        parser["Unit"]["StartLimitIntervalSec"] != "0",
    )
