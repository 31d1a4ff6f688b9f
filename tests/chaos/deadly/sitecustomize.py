"""For a signer worker in a test: the process ends outright, as by a defect in a library, when it
examines or signs a request with one of these names. Python imports this by itself from PYTHONPATH.
"""

import os
import signal

from pipeline.signer import authority, examine

WHEN_EXAMINED = b"deadly-to-examine.test"
WHEN_SIGNED = b"deadly-to-sign.test"

_examine, _prepare = examine.examine, authority.prepare


def examining(policy, submission):  # type: ignore[no-untyped-def]
    if WHEN_EXAMINED in submission.csr:
        os.kill(os.getpid(), signal.SIGSEGV)
    return _examine(policy, submission)


def preparing(csr, *arguments):  # type: ignore[no-untyped-def]
    if any(name.value.encode() == WHEN_SIGNED for name in csr.names):
        os.kill(os.getpid(), signal.SIGSEGV)
    return _prepare(csr, *arguments)


examine.examine, authority.prepare = examining, preparing
