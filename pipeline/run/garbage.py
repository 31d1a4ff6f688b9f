"""How often a process looks for garbage that refers to itself in a circle."""

import gc
from typing import Final

YOUNG: Final = 20_000
"""Objects that are made, beyond those that went, before the youngest are looked through: a batch of a
hundred requests makes about as many."""

SELDOM: Final = 20
"""How many looks at the youngest make one at the older ones, and so on."""


def settle() -> None:
    """Leave what was made until now out of every look, and look more seldom.

    What a process has loaded stays until it ends, and to look through that again and again took a
    fifth of what `signer-worker` spends on a small batch. Most garbage is in no circle, and goes at
    once anyway. Called when everything is loaded.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, SELDOM, SELDOM)
