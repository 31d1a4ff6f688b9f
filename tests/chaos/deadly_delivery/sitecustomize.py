"""For a web worker in a test: the process ends outright, as by a defect in a library, when it stores
the certificate of a request with this name. Python imports this by itself from PYTHONPATH.
"""

import signal
from importlib import import_module

WHEN_DELIVERED = b"deadly-to-deliver.test"

deliver = import_module("pipeline.actors.web.deliver")  # the package has a function of that name

_check_key = deliver._check_key


def checking(certificate, csr):  # type: ignore[no-untyped-def]
    if WHEN_DELIVERED in csr:
        signal.raise_signal(signal.SIGSEGV)  # of this thread: it goes no further
    return _check_key(certificate, csr)


deliver._check_key = checking  # type: ignore[attr-defined]
