"""Write the figures of a run into docs/performance.md: `python -m benchmarks.report FILE.json`."""

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks import capacity, table
from benchmarks.picture import picture
from tests.system.installation import ROOT

DOCUMENT: Final = ROOT / "docs/performance.md"
PICTURE: Final = "performance.svg"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("file", type=Path, help="what `make bench JSON=FILE` wrote")
    parser.add_argument("--document", type=Path, default=DOCUMENT)
    arguments = parser.parse_args()
    figures = json.loads(arguments.file.read_text())
    document = arguments.document.read_text()
    for name, words in parts(figures).items():
        document = filled(document, name, words)
    arguments.document.write_text(document)
    (arguments.document.parent / PICTURE).write_text(picture(figures))
    return 0


def filled(document: str, name: str, words: str) -> str:
    """Return the document with ``words`` between the two markers of this name.

    Raises:
        ValueError: it has no such markers.
    """
    begin, end = f"<!-- {name}: from the bench -->", f"<!-- end of {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(document):
        raise ValueError(f"the document has no line {begin!r} with a {end!r} after it")
    return pattern.sub(lambda _: f"{begin}\n\n{words}\n\n{end}", document)


def parts(figures: Mapping[str, Any]) -> dict[str, str]:
    """Return what stands between the markers of each name."""
    return {
        "figures": _figures(figures),
        "costs": _costs(figures),
        "capacity": _capacity(figures),
    }


def _figures(figures: Mapping[str, Any]) -> str:
    where, cases = figures["environment"], figures["cases"]
    before, after = figures["yardstick"][0], figures["yardstick"][-1]
    postgresql = where["PostgreSQL"]
    packages = ", ".join(f"{name} {version}" for name, version in where["packages"].items())
    audit = figures["audit"]
    verified = [
        f"- {name}: {' '.join(said.split())}" for name, said in audit.get("verified", {}).items()
    ]
    about = (
        f"L = {before:,.0f}/s before and {after:,.0f}/s after. {where['cores']} cores of "
        f"{where['CPU']}, Linux {where['kernel']}; Python {where['Python']}, {where['OpenSSL']}, "
        f"{packages}; RabbitMQ {where['RabbitMQ']} on Erlang {where['Erlang']}; PostgreSQL "
        f"{postgresql['server_version']} with fsync {postgresql['fsync']}, synchronous_commit "
        f"{postgresql['synchronous_commit']}. Processes: {where['processes']}, and one of each other. "
        f"Commit `{where['commit']}`, {where['measured at']}."
    )
    missing = audit.get("missing", "not counted")
    lines = [
        about,
        f"Audit entries missing: {missing}. What `httpca audit verify` said:",
        "\n".join(verified),
        table.markdown(table.main_table(figures)),
    ]
    if "growth" in cases:
        lines.append(table.markdown(table.growth_table(figures)))
        lines.append("In brackets is the ratio to the empty databases.")
    grown = cases.get("growth", {"runs": []})["runs"]
    lines += [
        f"To fill in {run['certificates']:,} certificates took {run['filled']:.0f} s; the audit's "
        f"sequencer was done {run['sequenced']:.0f} s later."
        for run in grown
        if "filled" in run
    ]
    return "\n\n".join(lines)


def _costs(figures: Mapping[str, Any]) -> str:
    costs = table.cost_table(figures)
    found = [table.markdown(costs)] if costs else []
    return "\n\n".join([*found, *table.sizes(figures)])


def _capacity(figures: Mapping[str, Any]) -> str:
    found = []
    for case, planned in capacity.of_figures(figures).items():
        found += [
            f"By `{case}`:",
            table.markdown(capacity.rows(planned)),
            capacity.sentence(planned),
            capacity.storage(figures, case, planned),
        ]
    return "\n\n".join(found)


if __name__ == "__main__":
    raise SystemExit(main())
