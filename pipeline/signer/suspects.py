"""Submissions that may have killed the worker that examined them.

`policy` has no row of such a request yet on which it could count, so that it is counted among the
``tries``. Suspects are examined alone, and after too many attempts they are rejected.
"""

from typing import Final

import structlog

from pipeline.messages import Submission
from pipeline.signer.examine import Finding, examine_safely, rejected
from pipeline.signer.policy import Policy
from pipeline.signer.side import SignerSide

log = structlog.get_logger(__name__)

DEADLY: Final = (
    "This request could not be examined: our program ended whenever it tried, {} times. Submit it"
    " again with a new key; if that is rejected too, its operator finds more in the signer's log."
)
"""The reason for a request that kills whoever examines it."""


def examine_alone(side: SignerSide, rules: Policy, submission: Submission) -> Finding:
    """Put the attempt on record and examine a suspect, unless it had too many."""
    if side.tries.begin(submission.id):
        return examine_safely(rules, submission, side.now())
    log.error("cannot-be-examined", request_id=submission.id, attempts=side.tries.most)
    return rejected(rules, submission, DEADLY.format(side.tries.most))
