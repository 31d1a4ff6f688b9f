"""Every kind of fault, what counts as its having taken effect, and how often a run must show it.

A fault is counted where it bites, never where it is drawn: a message counts as replayed when it
passes the gate a second time, not when it is put on a queue.
"""

from collections import Counter
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """One kind of fault."""

    @property
    def deadly(self) -> bool:
        """Whether it ends a process."""
        return self.startswith("death:")

    DUPLICATED = "broker: a message came twice"
    DELAYED = "broker: a message came late, after younger ones"
    REORDERED = "broker: a message overtook older ones"
    DROPPED = "broker: a message was lost"
    REPLAYED = "broker: an earlier message came again"
    PURGED = "broker: everything on all queues was lost"
    MISROUTED = "broker: a genuine message came on another queue"
    PUBLISH_REFUSED = "broker: did not take a message"
    CONFIRM_LOST = "broker: took a message, and its confirm was lost"
    BROKER_OUT = "broker: was out when somebody needed it"
    KILLED_BEFORE_COMMIT = "death: before a commit"
    KILLED_AFTER_COMMIT = "death: after a commit"
    KILLED_BEFORE_SEND = "death: before a send"
    KILLED_AFTER_SEND = "death: after a send"
    KILLED_IN_TRANSACTION = "death: between two statements"
    KILLED_AT_KEY = "death: with the CA key in hand"
    KILLED_IN_BATCH = "death: with only a part of a batch done"
    KILLED_FROZEN = "death: while frozen"
    REDELIVERED = "death: the broker delivered its message again"
    COMMIT_REFUSED = "database: refused a commit"
    ANSWER_LOST = "database: committed, and its answer was lost"
    CONNECTION_LOST = "database: the connection broke in a transaction"
    DATABASE_OUT = "database: was out when somebody needed it"
    KEY_OUT = "key: was out of reach"
    STOPPED_WAITING = "stop: told to stop while waiting for what was out"
    INTERLEAVED = "frozen: others worked in between"
    LEASE_OVER = "frozen: beyond its lease, another did the same stage"
    OVERTAKEN = "frozen: another had signed what it came to store"
    CLOCK_AHEAD = "clock: a process was hours ahead"
    CLOCK_BEHIND = "clock: a process was hours behind"
    FROM_THE_FUTURE = "clock: a message was refused as from the future"
    POLICY_CHANGED = "policy: another one judged than the time before"
    POLICIES_DIFFER = "policy: two workers judged by different ones"
    DIFFERENT_DECISIONS = "people: approvers decided the same request differently"
    LATE_DECISION = "people: a decision came after the request was decided"
    WRONG_DIGEST = "people: a decision over something else"
    SUSPENDED = "people: signing was suspended while requests waited for it"
    RETRIED = "people: an operator retried a failed request"
    REJECTED_BY_OPERATOR = "people: an operator rejected a request"
    WITHDRAWN = "people: a requester withdrew"
    WITHDRAWN_TOO_LATE = "people: a requester withdrew too late"
    SUBMITTED_AGAIN = "people: the same submission was sent again"
    EXPIRED = "people: nobody decided in time"
    ITEM_FAILS = "item: the program failed on it"
    ITEM_KILLS = "item: it killed its process"
    SUSPECTED = "item: it was rejected as one that kills who examines it"


MINIMUM: Final[dict[Fault, int]] = {
    Fault.DUPLICATED: 280,
    Fault.DELAYED: 10,
    Fault.REORDERED: 160,
    Fault.DROPPED: 30,
    Fault.REPLAYED: 130,
    Fault.PURGED: 14,
    Fault.MISROUTED: 40,
    Fault.PUBLISH_REFUSED: 20,
    Fault.CONFIRM_LOST: 13,
    Fault.BROKER_OUT: 30,
    Fault.KILLED_BEFORE_COMMIT: 70,
    Fault.KILLED_AFTER_COMMIT: 40,
    Fault.KILLED_BEFORE_SEND: 8,
    Fault.KILLED_AFTER_SEND: 12,
    Fault.KILLED_IN_TRANSACTION: 40,
    Fault.KILLED_AT_KEY: 7,
    Fault.KILLED_IN_BATCH: 2,
    Fault.KILLED_FROZEN: 40,
    Fault.REDELIVERED: 70,
    Fault.COMMIT_REFUSED: 60,
    Fault.ANSWER_LOST: 60,
    Fault.CONNECTION_LOST: 40,
    Fault.DATABASE_OUT: 330,
    Fault.KEY_OUT: 5,
    Fault.STOPPED_WAITING: 12,
    Fault.INTERLEAVED: 350,
    Fault.LEASE_OVER: 80,
    Fault.OVERTAKEN: 5,
    Fault.CLOCK_AHEAD: 60,
    Fault.CLOCK_BEHIND: 50,
    Fault.FROM_THE_FUTURE: 90,
    Fault.POLICY_CHANGED: 50,
    Fault.POLICIES_DIFFER: 110,
    Fault.DIFFERENT_DECISIONS: 30,
    Fault.LATE_DECISION: 160,
    Fault.WRONG_DIGEST: 20,
    Fault.SUSPENDED: 50,
    Fault.RETRIED: 2,
    Fault.REJECTED_BY_OPERATOR: 7,
    Fault.WITHDRAWN: 50,
    Fault.WITHDRAWN_TOO_LATE: 90,
    Fault.SUBMITTED_AGAIN: 40,
    Fault.EXPIRED: 40,
    Fault.ITEM_FAILS: 30,
    Fault.SUSPECTED: 1,
    Fault.ITEM_KILLS: 20,
}
"""How often at least each kind takes effect in 200 runs of 100 steps. Set from what is seen, at about
half: a kind that falls below has become ineffective by some change."""

RUNS, STEPS = 200, 100
"""What the minimum is stated for."""


def missing(tally: Counter[Fault], runs: int) -> list[str]:
    """Return a line for each kind that took effect too seldom in so many runs of 100 steps."""
    return [
        f"{fault}: {tally[fault]} times, at least {minimum * runs // RUNS} are wanted"
        for fault, minimum in MINIMUM.items()
        if tally[fault] < minimum * runs // RUNS
    ]


def table(tally: Counter[Fault], runs: int) -> str:
    """Return the table of how often each kind took effect."""
    lines = [f"{'fault that took effect':<62}{'times':>9}{'minimum':>9}"]
    lines += [f"{fault:<62}{tally[fault]:>9}{MINIMUM[fault] * runs // RUNS:>9}" for fault in Fault]
    return "\n".join(lines)
