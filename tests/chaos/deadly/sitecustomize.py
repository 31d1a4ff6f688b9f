"""For a signer worker in a test: the process ends outright, as by a defect in a library, when it
examines, decides on or signs a request with one of these names. Python imports this by itself from
PYTHONPATH.
"""

import signal
from importlib import import_module

from pipeline.signer import authority, examine

WHEN_EXAMINED = b"deadly-to-examine.test"
WHEN_DECIDED = b"deadly-to-decide.approved.example.com"
WHEN_SIGNED = b"deadly-to-sign.test"

decide = import_module("pipeline.actors.signer.decide")  # the package has a function of that name

_examine, _effect, _prepare = examine.examine, decide._effect, authority.prepare


def examining(policy, submission, *arguments):  # type: ignore[no-untyped-def]
    if WHEN_EXAMINED in submission.csr:
        signal.raise_signal(signal.SIGSEGV)  # of this thread: it goes no further
    return _examine(policy, submission, *arguments)


def deciding(side, connection, row, *arguments):  # type: ignore[no-untyped-def]
    if row is not None and WHEN_DECIDED in row.csr:
        signal.raise_signal(signal.SIGSEGV)  # of this thread: it goes no further
    return _effect(side, connection, row, *arguments)


def preparing(csr, *arguments):  # type: ignore[no-untyped-def]
    if any(name.value.encode() == WHEN_SIGNED for name in csr.names):
        signal.raise_signal(signal.SIGSEGV)  # of this thread: it goes no further
    return _prepare(csr, *arguments)


examine.examine, authority.prepare = examining, preparing
decide._effect = deciding  # type: ignore[attr-defined]
