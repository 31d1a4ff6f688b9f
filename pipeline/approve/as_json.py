"""What the verbs say to a machine: the same facts as on the screen, as JSON in plain ASCII."""

import json
from typing import Any

from pipeline.approve.facts import Facts, pem
from pipeline.approve.outcome import Answer
from pipeline.approve.past import Past
from pipeline.approve.waiting import Recorded


def text(value: Any) -> str:
    """Return JSON in printable ASCII only, so that it is safe to show in a terminal too."""
    return json.dumps(value, ensure_ascii=True, indent=2).replace("\x7f", "\\u007f")


def summary(facts: Facts) -> dict[str, Any]:
    """Return one request as `list` tells it."""
    request, csr = facts.request, facts.csr
    return {
        "id": request.id,
        "state": request.state,
        "submitted_at": request.submitted_at.isoformat(),
        "expires_at": None if request.expires_at is None else request.expires_at.isoformat(),
        "requester": request.requester,
        "source": request.source,
        "profile": request.profile_name,
        "names": [] if csr is None else [str(name) for name in csr.names],
        "unusual": list(facts.unusual),
        "digest": facts.digest,
    }


def whole(facts: Facts) -> dict[str, Any]:
    """Return one request as `show` tells it: all that the digest covers, and how it stands."""
    request, csr, certificate = facts.request, facts.csr, facts.certificate
    return summary(facts) | {
        "revision": request.revision,
        "reason": request.reason,
        "comment": request.comment,
        "profile_snapshot": dict(request.profile),
        "rule": dict(request.rule),
        "issuer": request.approvable().issuer,
        "issuer_subject": None if facts.issuer is None else facts.issuer.subject.rfc4514_string(),
        "csr": pem(request.csr),
        "key": None if csr is None else {"kind": csr.key.kind, "spki_sha256": csr.key.fingerprint},
        "ignored": list(
            certificate.dropped if certificate else csr.ignored if csr is not None else ()
        ),
        "certificate": None
        if certificate is None
        else {
            "subject": certificate.subject,
            "names": [str(name) for name in certificate.names],
            "key_usage": list(certificate.key_usage),
            "extended_key_usage": list(certificate.extended_key_usage),
            "ca": certificate.ca,
            "more": [sentence for _, sentence in certificate.powers],
            "not_after_if_issued_now": certificate.not_after.isoformat(),
        },
        "decisions": [_decision(decision) for decision in request.decisions],
        "past": None if facts.past is None else _past(facts.past),
        "unacceptable": facts.unacceptable or None,
    }


def answer(given: Answer) -> dict[str, Any]:
    """Return what became of one decision."""
    request = given.request
    return {
        "id": given.request_id,
        "verdict": given.verdict,
        "message": given.message_id,
        "result": given.result,
        "exit_code": given.exit_code,
        "sentence": given.sentence,
        "state": None if request is None else request.state,
        "decisions": [] if request is None else [_decision(d) for d in request.decisions],
    }


def _past(past: Past) -> dict[str, Any]:
    return {
        "first_request_of_requester": past.first,
        "names_never_issued": [str(name) for name in past.new_names],
        "key_in_requests_of_others": past.key_of_others,
        "key_has_certificate": past.key_issued,
    }


def _decision(decision: Recorded) -> dict[str, Any]:
    return {
        "approver": decision.approver,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "effect": decision.effect,
        "decided_at": decision.decided_at.isoformat(),
        "received_at": decision.received_at.isoformat(),
    }
