"""SPIFFE IDs, as an X.509 SVID of a workload has them (SPIFFE-ID section 2, X509-SVID sections 2 to 4).

What the canonical form of URIs excludes already (user name, fragment, dot segments, host names that are
none) is not looked at again.
"""

import re
from typing import Final

from pipeline.crypto.names import Name

_ID: Final = re.compile(r"spiffe://[a-z0-9.\-_]{1,255}(?:/[A-Za-z0-9.\-_]+)+")


def is_workload(name: Name) -> bool:
    """Return whether a name is the SPIFFE ID of a workload: a trust domain without port, and a path
    of letters, digits, dots, hyphens and underscores, without query and trailing slash.

    An ID without a path is that of the trust domain itself, which only a CA has (X509-SVID section 2).
    """
    return name.kind == "uri" and _ID.fullmatch(name.value) is not None
