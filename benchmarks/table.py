"""The figures as tables: for the terminal, and for docs/performance.md."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Rows = list[list[str]]

GOALS: Final = {
    "throughput": "0.15 L; 0.25 L",
    "batches": "0.3 L; 0.5 L",
    "latency at 20/s": "40 / 120 ms; 20 / 60 ms",
    "embedded": "0.1 L",
}
"""What is asked for, and what is hoped for."""

HEADS: Final = ["case", "median", "least to most", "ratio", "asked; hoped"]


def yardstick(figures: Mapping[str, Any]) -> float:
    """Return L: the mean of what was measured before and after."""
    return statistics.fmean(figures["yardstick"])


def rows(figures: Mapping[str, Any], case: str) -> Rows:
    """Return the rows of one case, without the heading; those of growth are a table of its own."""
    found = figures["cases"][case]
    if case == "growth":
        return growth_table(figures)
    form = _FORMS.get(case, _latency if case.startswith("latency") else _rate)
    return form(case, found, yardstick(figures))


def main_table(figures: Mapping[str, Any]) -> Rows:
    """Return the rows of all cases but growth, the heading first."""
    cases = [case for case in figures["cases"] if case != "growth"]
    return [HEADS, *(row for case in cases for row in rows(figures, case))]


def cost_table(figures: Mapping[str, Any]) -> Rows:
    """Return CPU time and memory of each process, the heading first."""
    cases = [case for case in ("throughput", "batches") if case in figures["cases"]]
    if not cases:
        return []
    summaries = [figures["cases"][case]["summary"] for case in cases]
    parts = sorted({part for one in summaries for part in one["cpu"]})
    burst = figures["cases"].get("burst", {"runs": [{}]})["runs"][0]
    heads = ["process", *(f"ms each, {case}" for case in cases)]
    found = [[*heads, "MiB at first", "MiB after the burst"]]
    first = figures["cases"][cases[0]]["runs"][0]["memory"]
    after = burst.get("memory after", {})
    for part in parts:
        cost = [
            f"{one['cpu'][part]['median']:.2f}" if part in one["cpu"] else "-" for one in summaries
        ]
        found.append([part, *cost, _size(first, part), _size(after, part)])
    totals = [f"{sum(spent['median'] for spent in one['cpu'].values()):.2f}" for one in summaries]
    found.append(["all", *totals, _total(first), _total(after)])
    return found


def text(table: Rows) -> str:
    """Return a table for the terminal."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def markdown(table: Rows) -> str:
    """Return a table for a document."""
    lines = [f"| {' | '.join(row)} |" for row in table]
    return "\n".join([lines[0], "|" + "---|" * len(table[0]), *lines[1:]])


def _size(sizes: Mapping[str, float], part: str) -> str:
    return f"{sizes[part]:.0f}" if part in sizes else "-"


def _total(sizes: Mapping[str, float]) -> str:
    return f"{sum(sizes.values()):.0f}" if sizes else "-"


def _spread(one: Mapping[str, float], write: Callable[[float], str]) -> str:
    return f"{write(one['min'])} to {write(one['max'])}"


def _per_second(rate: float) -> str:
    return f"{rate:,.0f}/s"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds >= 0.01 else f"{1000 * seconds:.1f} ms"


def _rated(name: str, rate: Mapping[str, float], length: float, goal: str = "") -> list[str]:
    ratio = f"{rate['median'] / length:.3f} L"
    return [name, _per_second(rate["median"]), _spread(rate, _per_second), ratio, goal]


def _rate(case: str, found: Mapping[str, Any], length: float) -> Rows:
    return [_rated(case, found["summary"]["rate"], length, GOALS.get(case, ""))]


def _latency(case: str, found: Mapping[str, Any], length: float) -> Rows:
    low, high = found["summary"]["p50"], found["summary"]["p99"]
    median = f"p50 {_ms(low['median'])}, p99 {_ms(high['median'])}"
    spread = f"{_spread(low, _ms)}, {_spread(high, _ms)}"
    return [[case, median, spread, "", GOALS.get(case, "")]]


def _burst(case: str, found: Mapping[str, Any], length: float) -> Rows:
    run = found["runs"][0]
    approval = run["approval"]
    grown = sum(run["memory after"].values()) / sum(run["memory before"].values())
    return [
        [
            f"burst of {run['count']:,}",
            _per_second(run["rate"]),
            "",
            f"{run['rate'] / length:.3f} L",
            "",
        ],
        ["a lone request meanwhile", f"{run['lone']['until issued']:.1f} s", "", "", ""],
        [
            "an approval meanwhile, with its command",
            f"{approval['until issued']:.1f} s",
            "",
            "",
            "",
        ],
        ["memory of all after / before", f"{grown:.2f}", "", "", "flat"],
    ]


def growth_table(figures: Mapping[str, Any]) -> Rows:
    """Return speed by the number of certificates in both databases, the heading first; each with its
    ratio to the empty one: of rates, more is better; of times, less."""
    runs = figures["cases"]["growth"]["runs"]
    found = [["certificates in both databases", *(f"{run['certificates']:,}" for run in runs)]]
    rates = [run["throughput"]["rate"]["median"] for run in runs]
    found.append(["throughput", *_compared(rates, _per_second)])
    for name in ("p50", "p99"):
        times = [run["latency"][name]["median"] for run in runs]
        found.append([f"latency at 20/s, {name}", *_compared(times, _ms)])
    for page in runs[0]["pages"]:
        times = [run["pages"][page]["p50"]["median"] for run in runs]
        found.append([f"{page}, p50", *_compared(times, _ms)])
    return found


def _compared(values: Sequence[float], write: Callable[[float], str]) -> list[str]:
    first, *further = values
    return [write(first), *(f"{write(value)} ({value / first:.2f})" for value in further)]


def _scaling(case: str, found: Mapping[str, Any], length: float) -> Rows:
    return [
        _rated(f"scaling: {run['variant']}", run["throughput"]["rate"], length)
        for run in found["runs"]
    ]


def _start(case: str, found: Mapping[str, Any], length: float) -> Rows:
    asked = {"httpca --help": "0.3 s", "httpca dev, again": "2 s", "signer-worker ready": "2 s"}
    return [
        [
            name,
            f"{one['median']:.2f} s",
            _spread(one, lambda value: f"{value:.2f} s"),
            "",
            asked.get(name, ""),
        ]
        for name, one in found["summary"]["seconds"].items()
    ]


def _broker(case: str, found: Mapping[str, Any], length: float) -> Rows:
    return [
        [f"broker, {name} a certificate", f"{one['median']:,.2f}", "", "", ""]
        for name, one in found["summary"].items()
    ]


_FORMS: Final[Mapping[str, Callable[[str, Mapping[str, Any], float], Rows]]] = {
    "burst": _burst,
    "scaling": _scaling,
    "start-up": _start,
    "broker": _broker,
}


def sizes(figures: Mapping[str, Any]) -> Sequence[str]:
    """Say how many bytes of each database a certificate takes."""
    found = figures["cases"].get("throughput")
    if found is None:
        return []
    octets = found["summary"]["bytes"]
    return [
        f"{side} database: {one['median']:,.0f} bytes a certificate" for side, one in octets.items()
    ]
