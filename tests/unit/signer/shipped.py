"""The profiles that are shipped: those of the first policy, and those that a policy may take over."""

from pathlib import Path

import settings
from tests.factories import policy

FOLDER = Path(settings.__file__).parent
SHIPPED = policy(
    (FOLDER / "policy.toml").read_text("utf-8").partition("\n[[rules]]")[0]
    + (FOLDER / "more-profiles.toml").read_text("utf-8")
).profiles
