"""What becomes of the bench's figures: tables, the plan, the picture, and their places in the page."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from benchmarks import capacity, report, table
from benchmarks.bench import Bench
from benchmarks.loading import quantile, summary
from benchmarks.picture import picture
from benchmarks.report import filled
from tests.system.installation import ROOT

RUNS = [
    {"rate": 500.0, "cpu": {"web": 1.0, "signer-clock": 0.1, "load": 0.2}},
    {"rate": 400.0, "cpu": {"web": 3.0, "signer-clock": 0.1, "load": 0.2}},
    {"rate": 900.0, "cpu": {"web": 2.0, "signer-clock": 0.1, "load": 0.2}},
]
EACH = [
    run | {"memory": {"web": 50.0}, "bytes": {"web": 2000.0}, "count": 10, "seconds": 1.0}
    for run in RUNS
]
PAGES = summary([{"page": {"p50": 0.002, "p99": 0.004}}])
TIMES = [{"p50": 0.02, "p99": 0.06, "count": 100}]


def grown(size: int, rate: float) -> dict[str, Any]:
    return {
        "certificates": size,
        "throughput": summary([{"rate": rate}]),
        "latency": summary(TIMES),
        "pages": PAGES,
    }


@pytest.fixture
def figures() -> dict[str, Any]:
    """The figures of a run in which every case has something to say."""
    burst = {
        "count": 50_000,
        "rate": 1000.0,
        "lone": {"until issued": 1.0},
        "approval": {"until issued": 2.0},
        "memory before": {"web": 50.0},
        "memory after": {"web": 55.0},
    }
    later = grown(100_000, 475.0) | {"filled": 20.0, "sequenced": 5.0}
    runs: dict[str, list[dict[str, Any]]] = {
        "throughput": EACH,
        "batches": EACH,
        "latency at 20/s": TIMES,
        "burst": [burst],
        "broker": [{"throughput bytes": 3000.0}],
        "start-up": [{"seconds": {"httpca --help": 0.2}}],
        "growth": [grown(0, 500.0), later],
        "scaling": [{"variant": "2 of each", "throughput": summary([{"rate": 510.0}])}],
    }
    environment = {
        "cores": 2,
        "CPU": "a CPU",
        "kernel": "6.1",
        "Python": "3.11",
        "OpenSSL": "OpenSSL 3",
        "packages": {"cryptography": "1"},
        "RabbitMQ": "3",
        "Erlang": "25",
        "PostgreSQL": {"server_version": "15", "fsync": "on", "synchronous_commit": "on"},
        "commit": "abc",
        "processes": "web=2,signer-worker=2",
        "measured at": "2026-01-01T00:00:00+00:00",
    }
    return {
        "yardstick": [2000.0, 3000.0],
        "environment": environment,
        "audit": {"missing": 0, "verified": {"growth": "all\nwell"}},
        "cases": {name: {"summary": summary(found), "runs": found} for name, found in runs.items()},
    }


def test_a_summary_has_median_least_and_greatest_of_each_figure() -> None:
    found = summary(RUNS)
    assert found["rate"] == {"median": 500.0, "min": 400.0, "max": 900.0}
    assert found["cpu"]["web"] == {"median": 2.0, "min": 1.0, "max": 3.0}


def test_a_quantile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile([7.0], 0.99)) == (51, 100, 7)


def test_a_rate_is_given_as_its_ratio_to_the_yardstick(figures: dict[str, Any]) -> None:
    (row,) = table.rows(figures, "throughput")
    assert row[:4] == ["throughput", "500/s", "400/s to 900/s", "0.200 L"]


def test_growth_is_compared_with_the_empty_databases(figures: dict[str, Any]) -> None:
    heads, *rows = table.rows(figures, "growth")
    assert heads[1:] == ["0", "100,000"]
    found = {row[0]: row[1:] for row in rows}
    assert found["throughput"] == ["500/s", "475/s (0.95)"]
    assert found["page, p50"] == ["2.0 ms", "2.0 ms (1.00)"]


def test_every_row_of_every_case_is_as_wide_as_the_heading(figures: dict[str, Any]) -> None:
    found = table.main_table(figures)
    assert {len(row) for row in found} == {len(table.HEADS)}
    assert table.text(found).count("\n") == len(found) - 1
    assert table.markdown(found).splitlines()[1] == "|---|---|---|---|---|"


def test_the_plan_multiplies_costs_and_names_what_cannot_be_added() -> None:
    plan = capacity.plan(100.0, {"web": 7.0, "signer-clock": 0.35, "load": 9.0})
    assert plan.rates == [1000.0, 10_000.0]
    assert {part.name: part.cores for part in plan.parts} == {
        "signer-clock": pytest.approx([0.5, 5.0]),
        "web": pytest.approx([10.0, 100.0]),
    }
    assert plan.first is not None
    assert plan.first.name == "signer-clock"
    assert plan.first.most == pytest.approx(2000.0)
    assert "short of 10,000/s" in capacity.sentence(plan)


def test_a_plan_without_limits_says_so() -> None:
    assert "Nothing" in capacity.sentence(capacity.plan(100.0, {"web": 1.0}))


def test_the_picture_has_a_bar_for_each_part_that_costs_something(figures: dict[str, Any]) -> None:
    drawn = ET.fromstring(picture(figures))
    bars = [one for one in drawn.iter() if one.tag.endswith("rect")]
    assert len(bars) == 1 + 2 * len(RUNS[0]["cpu"])  # type: ignore[arg-type]
    widths = sorted((float(bar.get("width", "0")) for bar in bars[1:]), reverse=True)
    assert widths[0] == pytest.approx(10 * widths[2], rel=0.01)


def test_figures_are_written_between_their_markers_again_and_again(
    figures: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, file = tmp_path / "performance.md", tmp_path / "bench.json"
    document.write_text(report.DOCUMENT.read_text())
    file.write_text(json.dumps(figures))
    command = ["report", str(file), "--document", str(document)]
    monkeypatch.setattr("sys.argv", command)
    assert report.main() == 0
    once = document.read_text()
    assert report.main() == 0
    assert document.read_text() == once
    assert "| throughput | 500/s |" in once
    assert "- growth: all well" in once
    assert "| throughput | 500/s | 475/s (0.95) |" in once
    assert "Saturated first: signer-clock" in once
    assert "## Capacity plan" in once
    assert (tmp_path / report.PICTURE).exists()


def test_a_document_without_the_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="no line '<!-- figures"):
        filled("# Performance", "figures", "words")


def test_the_page_shows_the_picture_that_is_written() -> None:
    assert f"]({report.PICTURE})" in report.DOCUMENT.read_text()
    assert (ROOT / "docs" / report.PICTURE).exists()


def test_the_json_is_written_after_every_case(tmp_path: Path) -> None:
    class Arguments:
        json = tmp_path / "new" / "bench.json"

    bench = Bench(Arguments(), None)  # type: ignore[arg-type]
    bench.keep("throughput", EACH)
    found = json.loads(Arguments.json.read_text())
    assert found["cases"]["throughput"]["summary"]["rate"]["median"] == 500.0
    assert len(found["cases"]["throughput"]["runs"]) == 3
