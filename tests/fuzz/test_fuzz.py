"""Nothing that comes from outside ends in anything but a typed error."""

import re
import subprocess
import sys
from pathlib import Path
from random import Random

import hypothesis
import pytest
from hypothesis import strategies

from pipeline.errors import HttpcaError
from tests.fuzz import mutators
from tests.fuzz.__main__ import ROOT
from tests.fuzz.table import TARGETS
from tests.fuzz.tally import Tally
from tests.fuzz.target import CORPUS, Mutator

EXAMPLES = {"body": 40, "web": 60, "signed_csr": 150, "policy": 100}
MOST = 250
"""Changed inputs for each target: fewer where one takes longer."""

GUIDED = ("token", "signed_csr")
"""Targets that are so quick that a thousand inputs under guidance take a second."""

DER = bytes.fromhex("30120c0161a00d3007020101040261ff0c026162")


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_of_the_corpus_is_accepted_or_refused_for_a_named_reason(
    name: str, tally: Tally
) -> None:
    target = TARGETS[name]
    accepted = 0
    for file in target.corpus:
        accepted += target.accepts(file.read_bytes())
        tally.corpus += 1
    # A target that accepts nothing would show nothing either.
    assert accepted > 0


@pytest.mark.parametrize("name", TARGETS)
def test_so_is_whatever_is_made_of_them(name: str, tally: Tally) -> None:
    target = TARGETS[name]
    seeds = [file.read_bytes() for file in target.corpus]
    ways = [mutators.octets] if target.mutate is None else [target.mutate, mutators.octets]

    @hypothesis.settings(
        max_examples=EXAMPLES.get(name, MOST),
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(
        strategies.sampled_from(seeds),
        strategies.sampled_from(ways),
        strategies.integers(0, 2**32),
        strategies.integers(1, 4),
    )
    def try_changed(seed: bytes, way: Mutator, number: int, times: int) -> None:
        random = Random(number)
        for _ in range(times):
            seed = way(seed, random)
        target.accepts(seed)
        tally.changed += 1

    try_changed()


@pytest.mark.parametrize("name", TARGETS)
def test_so_is_what_was_made_of_nothing(name: str, tally: Tally) -> None:
    target = TARGETS[name]

    @hypothesis.settings(max_examples=25, derandomize=True, database=None)
    @hypothesis.given(strategies.binary(max_size=200))
    def try_any(octets: bytes) -> None:
        target.accepts(octets)
        tally.changed += 1

    try_any()


def test_fuzzing_is_guided_by_the_coverage_that_inputs_reach(tally: Tally, tmp_path: Path) -> None:
    started = [guided(name, tmp_path) for name in GUIDED]
    said = [process.communicate()[1] for process in started]

    for process, lines in zip(started, said, strict=True):
        assert process.returncode == 0, lines[-3000:]
        tally.guided += int(re.findall(r"Done (\d+) runs", lines)[-1])
        assert max(int(edges) for edges in re.findall(r"\bcov: (\d+)", lines)) > 50


def guided(name: str, folder: Path) -> subprocess.Popen[str]:
    """Start a target under guidance; what it would keep goes into a folder of this test."""
    kept = folder / name
    kept.mkdir()
    options = [
        "-runs=3000",
        "-seed=1",
        "-max_len=5000",
        "-timeout=60",
        f"-artifact_prefix={folder}/",
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.guided", name, str(kept), str(CORPUS / name), *options],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_what_is_admitted_is_typed() -> None:
    typed = (HttpcaError, ValueError)
    for target in TARGETS.values():
        for error in target.admitted:
            # `Refused` of the web is an answer, made an exception by the target itself.
            assert issubclass(error, typed) or error.__module__ == "tests.fuzz.on_web"


def test_the_corpus_holds_seeds_and_findings_of_the_targets_and_nothing_else() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
    for target in TARGETS.values():
        assert all(file.name.startswith(("seed-", "found-")) for file in target.corpus)


def test_changes_of_der_write_the_lengths_anew() -> None:
    random = Random(1)
    changed = {mutators.der(DER, random) for _ in range(300)}

    whole = [one for one in changed if one and len(one) == one[1] + 2]
    assert len(changed) > 100
    assert len(whole) > len(changed) // 2


def test_changes_of_json_are_json_of_one_form() -> None:
    random = Random(1)
    source = b'{"a":[1,{"b":"c"}],"d":null}'
    changed = {mutators.json_value(source, random) for _ in range(300)}

    assert len(changed) > 100
    assert all(one == mutators.compact(one) for one in changed)
