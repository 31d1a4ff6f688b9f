"""The CSRs that this process has just verified in `policy`, so that `sign` need not parse them anew.

They are found by their octets: what is found is what would be read. Each is kept until it is read, and
few of them, and no large ones, so that they take no memory to speak of; any other one is parsed.
"""

import threading
from typing import Final

from pipeline.crypto import csr as csrs
from pipeline.crypto.csr import Csr

MOST: Final = 2000
LONGEST: Final = 2048
"""How many are kept, and the most octets that one of them has; the oldest goes first."""


class Verified:
    """CSRs by their octets."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Csr] = {}
        self._lock = threading.Lock()

    def keep(self, octets: bytes, csr: Csr) -> None:
        """Keep what was read from these octets and verified."""
        if len(octets) > LONGEST:
            return
        with self._lock:
            self._kept[octets] = csr
            if len(self._kept) > MOST:
                del self._kept[next(iter(self._kept))]

    def read(self, octets: bytes) -> Csr:
        """Read a CSR that this side has verified and stored; see :func:`pipeline.crypto.csr.read`."""
        with self._lock:
            kept = self._kept.pop(octets, None)
        return kept if kept is not None else csrs.read(octets, verified=True)


VERIFIED: Final = Verified()
"""Those of this process."""
