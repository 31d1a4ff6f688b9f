"""The settings that docs/performance.md names have the defaults that it says."""

import re

import pytest

from benchmarks.report import DOCUMENT
from settings.signer import SignerSettings
from settings.web import WebSettings

WEB, SIGNER = WebSettings(role="web", database=""), SignerSettings(role="signer", database="")


@pytest.mark.parametrize(
    ("names", "defaults"),
    [
        ("`worker.batch` (both sides)", [WEB.worker.batch]),
        ("`worker.batch` (both sides)", [SIGNER.worker.batch]),
        ("`http.threads`, `http.long_polls` (web)", [WEB.http.threads, WEB.http.long_polls]),
        ("`clock.gather` (web)", [WEB.clock.gather]),
        ("`clock.gather_many` (web)", [WEB.clock.gather_many]),
        ("`clock.poll`, `clock.poll_sqlite` (web)", [WEB.clock.poll, WEB.clock.poll_sqlite]),
        ("`tell_delay` (signer)", [SIGNER.tell_delay]),
        ("`clock.sequence` (signer)", [SIGNER.clock.sequence]),
    ],
)
def test_the_page_has_the_defaults(names: str, defaults: list[float]) -> None:
    rows = [
        line.split(" | ") for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")
    ]
    (told,) = (row[1] for row in rows if row[0] == f"| {names}")
    assert [float(number) for number in re.findall(r"[\d.]+", told)] == defaults
