"""Every module stands under an import contract, and every stage in every table."""

import tomllib
from pathlib import Path

from pipeline.messages import CARRIES
from pipeline.stages import STAGES

ROOT = Path(__file__).resolve().parents[2]


def contracts() -> list[dict[str, object]]:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    found: list[dict[str, object]] = configuration["tool"]["importlinter"]["contracts"]
    return found


def test_every_module_is_in_a_layer() -> None:
    (layers,) = (one["layers"] for one in contracts() if one["type"] == "layers")
    assert isinstance(layers, list)
    covered = {name.strip() for layer in layers for name in layer.split("|")}
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in ("pipeline", "settings")
        for file in (ROOT / package).rglob("*.py")
    ]

    uncovered = [
        module
        for module in modules
        if module != "pipeline"
        and not any(module == name or module.startswith(name + ".") for name in covered)
    ]

    assert uncovered == []


def test_every_stage_says_what_it_carries() -> None:
    assert set(CARRIES) == set(STAGES)
