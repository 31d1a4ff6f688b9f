"""One target, guided by the coverage that its inputs reach: ``python -m tests.fuzz.guided TARGET ...``

Further arguments go to libFuzzer. Atheris rewrites the byte code of what is imported below, so that
this is a process of its own.
"""

import logging
import sys
from collections.abc import Callable
from random import Random

import atheris
import structlog

with atheris.instrument_imports(include=["pipeline", "settings", "tomllib", "idna"]):
    from tests.fuzz.table import TARGETS
    from tests.fuzz.target import Mutator


def main() -> None:
    logging.disable()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    name, *options = sys.argv[1:]
    target = TARGETS[name]
    arguments = [sys.argv[0], *options]
    if target.mutate is None:
        atheris.Setup(arguments, target.accepts)
    else:
        atheris.Setup(arguments, target.accepts, custom_mutator=custom(target.mutate))
    atheris.Fuzz()


def custom(mutate: Mutator) -> Callable[[bytes, int, int], bytes]:
    """Return libFuzzer's mutator, which in every second case is ours."""

    def mutator(octets: bytes, largest: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.5:
            return bytes(atheris.Mutate(octets, largest))
        return mutate(octets, random)[:largest]

    return mutator


if __name__ == "__main__":
    main()
