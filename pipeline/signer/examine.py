"""What `policy` finds of one submission: pure, and never raising for a requester's fault."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from pipeline.crypto import csr as csrs
from pipeline.crypto.csr import Csr
from pipeline.crypto.profile import Profile
from pipeline.errors import RequesterError, Unreadable
from pipeline.messages import Submission
from pipeline.signer.authority import Prepared
from pipeline.signer.policy import Policy, judge
from pipeline.states import State

log = structlog.get_logger(__name__)

STATES = {
    "sign": State.WAITING_FOR_SIGNATURE,
    "approve": State.WAITING_FOR_APPROVAL,
    "reject": State.REJECTED,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The state in which a submission begins, with profile and rule as they stand now.

    ``profile`` is None when there is none of its name, and ``csr`` when it cannot be read, or breaks
    the program; then ``profile`` is too. ``made`` is the TBS of what is signed at once.
    """

    submission: Submission
    state: State
    reason: str
    profile: Profile | None
    rule: dict[str, Any]
    policy_digest: str
    csr: Csr | None = None
    made: Prepared | None = None

    @property
    def key_fingerprint(self) -> str | None:
        """The fingerprint of the key, if the CSR can be read."""
        return self.csr.key.fingerprint if self.csr is not None else None

    @property
    def snapshot(self) -> dict[str, Any]:
        """The profile in plain JSON types, for the request's record and digest."""
        return self.profile.snapshot if self.profile is not None else {}

    @property
    def held(self) -> Prepared | None:
        """The TBS with which signing goes on, unless the keys' past or a limit has told otherwise."""
        return self.made if self.state is State.WAITING_FOR_SIGNATURE else None


def examine(policy: Policy, submission: Submission, at: datetime) -> Finding:
    """Read the CSR, check it, and let the policy judge it as it arrives at the moment ``at``."""
    try:
        csr = csrs.read(submission.csr)
        if csr.der != submission.csr:
            # The web side sends DER. Of text around a CSR others, who read these octets as they are
            # recorded, would see something else than what is signed.
            raise Unreadable("not-a-csr", csrs.DAMAGED)
    except RequesterError as error:
        return rejected(policy, submission, str(error))
    verdict = judge(policy, csr, submission.profile, submission.requester, submission.source, at=at)
    return Finding(
        submission,
        STATES[verdict.action],
        verdict.reason,
        verdict.profile,
        verdict.rule_snapshot,
        policy.digest,
        csr,
    )


def examine_safely(policy: Policy, submission: Submission, at: datetime) -> Finding:
    """Examine a submission on which the program itself may fail: then it is rejected, in words
    that tell requester and operator so, and the log has the rest."""
    try:
        return examine(policy, submission, at)
    except Exception:
        log.exception("submission-breaks-policy", request_id=submission.id)
        return rejected(
            policy,
            submission,
            "This request could not be examined because of an error on our side; "
            "its operator finds the cause in the signer's log.",
        )


def rejected(policy: Policy, submission: Submission, reason: str) -> Finding:
    """Return the finding of a submission that no rule can judge."""
    rule = {"name": "before any rule", "action": "reject"}
    return Finding(submission, State.REJECTED, reason, None, rule, policy.digest)
