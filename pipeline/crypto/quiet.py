"""Parsing names without the library's warnings.

The library warns (`warnings.warn`) of a common name or country of a forbidden length. A requester
could so write into our logs, or end the parsing where warnings are errors.
"""

import re
import threading
import warnings
from collections.abc import Callable
from typing import Final, TypeVar

# A commonName that is empty or over 64 octets, country names that have not two; and any of them in
# an encoding whose octets are not those that the library counts.
_WARNED_OF: Final = re.compile(
    rb"\x06\x03\x55\x04\x03(?:[\x14\x1c\x1e]|.(?:\x00|[\x41-\xff]))"
    rb"|\x06\x03\x55\x04\x06(?:[\x14\x1c\x1e]|.[^\x02])"
    rb"|\x06\x0b\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03(?:[\x14\x1c\x1e]|.[^\x02])",
    re.DOTALL,
)
_one_at_a_time: Final = threading.Lock()
_T = TypeVar("_T")


def quietly(parse: Callable[[], _T], der: bytes) -> _T:
    """Return what parsing the names in this DER returns, without warnings.

    Filters of warnings belong to the whole process, so they are touched only where they must be,
    and by one thread at a time.
    """
    if _WARNED_OF.search(der) is None:
        return parse()
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parse()
