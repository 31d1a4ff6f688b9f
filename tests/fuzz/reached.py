"""How many lines of what parses its inputs a target reaches: ``python -m tests.fuzz.reached TARGET``.

The corpus is replayed, and what `make fuzz` has kept. Lines that every import reaches count as well.
"""

import importlib
import logging
import sys
from pathlib import Path

import coverage
import structlog


def main() -> None:
    logging.disable()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    name, *folders = sys.argv[1:]
    measured = coverage.Coverage(
        data_file=None, source_pkgs=["pipeline", "settings"], config_file=False
    )
    measured.start()
    # Only now, so that lines which run at import are seen.
    from tests.fuzz.table import TARGETS

    target = TARGETS[name]
    kept = [file for folder in folders for file in sorted(Path(folder).iterdir())]
    for file in [*target.corpus, *kept]:
        target.accepts(file.read_bytes())
    measured.stop()
    lines = missed = 0
    for module in target.parses:
        _, of_module, _, missing, _ = measured.analysis2(importlib.import_module(module))
        lines += len(of_module)
        missed += len(missing)
    print(lines - missed, lines)


if __name__ == "__main__":
    main()
