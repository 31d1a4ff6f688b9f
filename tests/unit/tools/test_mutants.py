"""The mutants' tool: found, survived, no longer applying, and the tree as it was."""

from pathlib import Path

import pytest

from tests.flow.tamperings import FORGERIES, TAMPERINGS
from tests.flow.test_audit_tampering import hyphens
from tools.mutants.__main__ import FOLDER, ROOT
from tools.mutants.errors import Unusable
from tools.mutants.patch import read
from tools.mutants.trial import COPIED, Copy, apply

CODE = "def twice(number):\n    return 2 * number\n\n\ndef unused():\n    return 1\n"
TEST = "from pipeline.code import twice\n\n\ndef test_two_is_doubled():\n    assert twice(2) == 4\n"
NAMED = "tests/test_code.py::test_two_is_doubled"


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A copy of a tiny tree with one function and its test."""
    source, target = tmp_path / "source", tmp_path / "copy"
    target.mkdir()
    for name in COPIED:
        if "." in name:
            (source / name).write_text("[tool.pytest.ini_options]\n")
        else:
            (source / name).mkdir(parents=True)
    (source / "pipeline" / "code.py").write_text(CODE)
    (source / "tests" / "test_code.py").write_text(TEST)
    return Copy(source, target)


def patch(tmp_path: Path, old: str, new: str, must_fail: str = NAMED) -> Path:
    """Write a mutant that puts ``new`` in the place of ``old`` in the function's second line."""
    file = tmp_path / "mutant.patch"
    head = f"# Takes out: Something.\n# Must fail: {must_fail}\n"
    diff = "--- a/pipeline/code.py\n+++ b/pipeline/code.py\n@@ -1,3 +1,3 @@\n def twice(number):\n"
    file.write_text(f"{head}{diff}-    {old}\n+    {new}\n \n")
    return file


def test_a_mutant_that_its_test_notices_is_found_and_taken_back(copy: Copy, tmp_path: Path) -> None:
    verdict = copy.try_out(read(patch(tmp_path, "return 2 * number", "return 3 * number")))

    assert verdict.good
    assert verdict.failed == {NAMED}
    assert (copy.folder / "pipeline" / "code.py").read_text() == CODE


def test_a_mutant_that_nothing_notices_has_survived(copy: Copy, tmp_path: Path) -> None:
    verdict = copy.try_out(read(patch(tmp_path, "return 2 * number", "return number * 2")))

    assert not verdict.good
    assert verdict.missed == [NAMED]


def test_a_patch_that_no_longer_applies_is_a_failure(copy: Copy, tmp_path: Path) -> None:
    verdict = copy.try_out(read(patch(tmp_path, "return number + number", "return 0")))

    assert not verdict.good
    assert "no longer applies" in verdict.problem


def test_a_mutant_that_breaks_everything_is_not_counted_as_found(
    copy: Copy, tmp_path: Path
) -> None:
    verdict = copy.try_out(read(patch(tmp_path, "return 2 * number", "return 2 *")))

    assert not verdict.good
    assert "pytest cannot run" in verdict.problem


def test_a_test_that_is_not_there_is_noticed_before_anything_is_taken_out(
    copy: Copy, tmp_path: Path
) -> None:
    mutant = read(patch(tmp_path, "return 2 * number", "return 0", "tests/test_code.py::test_no"))

    with pytest.raises(Unusable, match="must pass before anything is taken out"):
        copy.check([mutant])


def test_a_file_that_does_not_say_what_it_is_for_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mutant.patch"
    file.write_text("--- a/x.py\n+++ b/x.py\n")

    with pytest.raises(Unusable, match="Takes out"):
        read(file)


MUTANTS = sorted(FOLDER.glob("*.patch"))


@pytest.mark.parametrize("file", MUTANTS, ids=lambda file: file.stem)
def test_every_mutant_applies_to_this_tree(file: Path, tmp_path: Path) -> None:
    for name in read(file).changes:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    problem = apply(file, tmp_path)
    assert not problem, "write the mutant anew: the code that it takes out has moved"


def test_every_mutant_of_this_tree_says_what_it_is_for() -> None:
    mutants = [read(file) for file in MUTANTS]

    assert len(mutants) >= 15
    assert all(mutant.takes_out.endswith(".") for mutant in mutants)


def test_each_row_of_the_audit_tests_is_also_a_mutant() -> None:
    rows = {
        f"tests/flow/test_audit_tampering.py::{test}[sqlite-{hyphens(row)}]"
        for test, table in (
            ("test_it_is_found_out_when_somebody", TAMPERINGS),
            (
                "test_a_kept_checkpoint_finds_it_out_when_somebody_makes_the_tree_anew_and",
                FORGERIES,
            ),
        )
        for row in table
    }
    named = {test for file in FOLDER.glob("audit_*.patch") for test in read(file).must_fail}

    assert len(rows) >= 25
    assert rows - named == set()
