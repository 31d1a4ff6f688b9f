"""What each account may do in the web side's database; `httpca migrate` makes it so.

The audit is append-only for all of them: it is read and added to, never changed or emptied.
"""

from typing import Final

from pipeline.database.grants import REVISION_TABLE, Rights

_APPEND: Final = "SELECT, INSERT"

RIGHTS: Final[Rights] = {
    # Process `web`: writes requests down and reads them back. It makes no token, changes no state
    # and stores no certificate.
    "http": {
        "requests": "SELECT, INSERT, UPDATE (withdrawal_wished, next_attempt_at)",
        "submissions": _APPEND,
        "certificates": "SELECT",
        "issuers": "SELECT",
        "tokens": "SELECT",
        "idempotency_keys": _APPEND,
        "rates": "SELECT, INSERT, UPDATE (minute, taken)",
        "tries": "",
        "audit": _APPEND,
        "audit_checkpoints": "SELECT",
        "heartbeats": "SELECT",
        REVISION_TABLE: "SELECT",
    },
    # `web-worker` and `web-clock`: relay, deliver, sweep and tidy. They admit no request and see no
    # token.
    "worker": {
        "requests": (
            "SELECT, UPDATE (state, revision, reason, changed_at, attempts, next_attempt_at)"
        ),
        "submissions": "SELECT",
        "certificates": _APPEND,
        "issuers": _APPEND,
        "tokens": "",
        "idempotency_keys": "SELECT, DELETE",
        "rates": "SELECT, DELETE",
        "tries": "SELECT, INSERT, UPDATE (attempts, begun_at), DELETE",
        "audit": _APPEND,
        "audit_checkpoints": _APPEND,
        "heartbeats": "SELECT, INSERT, UPDATE, DELETE",
        REVISION_TABLE: "SELECT",
    },
    # `httpca token` and `httpca export`.
    "operator": {
        "requests": "SELECT",
        "submissions": "SELECT",
        "certificates": "SELECT",
        "issuers": "SELECT",
        "tokens": "SELECT, INSERT, UPDATE (hash, created_at, revoked_at)",
        "idempotency_keys": "",
        "rates": "",
        "tries": "",
        "audit": _APPEND,
        "audit_checkpoints": "SELECT",
        "heartbeats": "SELECT",
        REVISION_TABLE: "SELECT",
    },
}
"""By kind of account and table; empty where it may do nothing."""
