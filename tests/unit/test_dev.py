"""What `httpca dev` says when it is at work."""

from pathlib import Path

import pytest

from pipeline.dev import _welcome


@pytest.mark.parametrize("anonymous", [True, False])
def test_a_token_is_spoken_of_where_nobody_may_submit_without(
    tmp_path: Path, anonymous: bool
) -> None:
    said = _welcome(tmp_path, "http://127.0.0.1:8000", anonymous=anonymous)
    assert ("Authorization" in said) is not anonymous
    assert (f"token create NAME --config {tmp_path}/web" in said) is not anonymous
