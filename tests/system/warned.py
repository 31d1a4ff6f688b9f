"""What processes warn of."""

import json
from collections import Counter

from tests.chaos.crew import Crew


def warnings(crew: Crew) -> Counter[tuple[str, ...]]:
    """Count what processes logged at level warning and worse, by process, event and clock's job."""
    found: Counter[tuple[str, ...]] = Counter()
    for service in crew.services:
        for line in service.logged().splitlines():
            entry = json.loads(line)
            if entry["level"] not in ("info", "debug"):
                found[service.name, entry["event"], entry.get("job", "")] += 1
    return found
