"""What each account may do in the signer's database; `httpca migrate` makes it so.

The audit is append-only for all of them, and so are TBS, certificates and what was decided: none of
that is changed even by the signer itself.
"""

from typing import Final

from pipeline.database.grants import REVISION_TABLE, Rights
from pipeline.signer.tables import VIEW_DEFINITIONS, metadata

_APPEND: Final = "SELECT, INSERT"

RIGHTS: Final[Rights] = {
    # `signer-worker`, `signer-clock`, and operators on the signer's host.
    "signer": {
        "requests": (
            "SELECT, INSERT, UPDATE (state, revision, reason, changed_at, attempts,"
            " next_attempt_at, told_revision, tell_at, expires_at, remind_at)"
        ),
        # What was asked stays as it came; re-evaluation says anew by what it was judged.
        "submissions": "SELECT, INSERT, UPDATE (profile, rule, issuer, policy_digest)",
        # What was decided stays as it came; whether it counts may change.
        "decisions": "SELECT, INSERT, UPDATE (effect)",
        "tbs": _APPEND,
        "certificates": _APPEND,
        "issued_names": _APPEND,
        "issuers": _APPEND,
        "blocked_keys": "SELECT, INSERT, DELETE",
        "switches": "SELECT, INSERT, UPDATE",
        "rule_counts": "SELECT, INSERT, UPDATE (count), DELETE",
        "policy_in_force": "SELECT, INSERT, UPDATE",
        "tries": "SELECT, INSERT, UPDATE (attempts, begun_at), DELETE",
        "audit": _APPEND,
        "audit_leaves": _APPEND,
        "audit_nodes": _APPEND,
        "audit_checkpoints": _APPEND,
        "audit_head": "SELECT, INSERT, UPDATE",
        "audit_gaps": "SELECT, INSERT, DELETE",
        "heartbeats": "SELECT, INSERT, UPDATE, DELETE",
        **dict.fromkeys(VIEW_DEFINITIONS, "SELECT"),
        REVISION_TABLE: "SELECT",
    },
    # Who watches and reports: every table, no change.
    "reader": {
        **dict.fromkeys(metadata.tables, "SELECT"),
        **dict.fromkeys(VIEW_DEFINITIONS, "SELECT"),
        REVISION_TABLE: "SELECT",
    },
    # Approvers, each with an account of their own that is a member of this one: the views.
    "approvers": {
        **dict.fromkeys(metadata.tables, ""),
        **dict.fromkeys(VIEW_DEFINITIONS, "SELECT"),
        REVISION_TABLE: "",
    },
}
"""By kind of account and table; empty where it may do nothing."""
