"""On which processor a process runs whose threads only take turns."""

import os
import sys
from pathlib import Path
from typing import Final

_STAT: Final = Path("/proc/self/stat")
_PROCESSOR: Final = 36
"""Which field after the command's name says where it ran last (proc(5), field 39)."""


def stay() -> None:
    """Keep this thread, and those that it starts from now on, on the processor where it is.

    For a process with many threads of which one at a time has the interpreter's lock. Whenever that is
    given away, if only for a write to a file, whoever waits for it is woken; on another processor it
    comes too late as often as not, and waits again. With both sides in one process that cost more than
    a fifth of it. Linux only; elsewhere nothing is done.
    """
    if sys.platform == "linux":
        fields = _STAT.read_text("utf-8").rpartition(")")[2].split()
        os.sched_setaffinity(0, {int(fields[_PROCESSOR])})
