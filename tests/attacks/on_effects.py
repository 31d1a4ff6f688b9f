"""Attacks that the gate admits, since an admitted sender signed them: they must do nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from pipeline.messages import Decision, IssuerNotice, Outcome, OutcomeBatch, SubmissionBatch
from pipeline.stages import DECIDE, DELIVER, POLICY
from pipeline.states import State
from tests import factories
from tests.attacks.attack import APPROVER_KEY, NOTHING, SIGNER_KEY, WEB_KEY, Vain
from tests.attacks.forge import seal
from tests.attacks.ground import Ground, new_id

REPEATED = ""


def _again(ground: Ground, stage: Any, ago: timedelta) -> bytes:
    """A message of a while ago, that came then and comes again."""
    genuine = ground.genuine(stage, requested=ground.now() - ago)
    ground.deliver(genuine)
    return genuine.octets


def _second(**changes: Any) -> Callable[[Ground], bytes]:
    """A submission with an id that exists, changed."""

    def prepare(ground: Ground) -> bytes:
        first = ground.submission()
        ground.work_off(
            POLICY, ground.sealed(POLICY, "web", SubmissionBatch([first]), first.id).octets
        )
        made = {name: change() for name, change in changes.items()}
        second = msgspec.structs.replace(first, known_revision=1, **made)
        return ground.sealed(POLICY, "web", SubmissionBatch([second])).octets

    return prepare


def _other_csr() -> bytes:
    return factories.csr(names=["DNS:attacker.test"])


def _another_after_approval(ground: Ground) -> bytes:
    request = ground.waiting_request()
    ground.deliver(ground.decision(request, "accept"))
    other = ground.submission(id=request, csr=_other_csr(), known_revision=3)
    return ground.sealed(POLICY, "web", SubmissionBatch([other])).octets


def _withdraw_issued(ground: Ground) -> bytes:
    request = ground.waiting_request()
    ground.deliver(ground.decision(request, "accept"))
    return ground.sealed(POLICY, "web", SubmissionBatch(withdrawals=[request])).octets


def _withdraw_unknown(ground: Ground) -> bytes:
    return ground.sealed(POLICY, "web", SubmissionBatch(withdrawals=[new_id()])).octets


def _decision(ground: Ground, **changes: Any) -> bytes:
    request = changes.pop("request_id", None) or ground.waiting_request()
    body = Decision(request, "accept", "0" * 64, ground.now())
    return ground.sealed(DECIDE, "approver", msgspec.structs.replace(body, **changes)).octets


def _digest_of_another(ground: Ground) -> bytes:
    """What an approver accepted of one request, said of another with the same names."""
    from pipeline.approve import waiting

    name = f"{new_id()}.example.com"
    request = waiting.get(ground.signer_database, ground.waiting_request(name))
    assert request is not None
    return _decision(
        ground,
        request_id=ground.waiting_request(name),
        digest=request.approvable().digest(),
    )


def _after_rejection(ground: Ground) -> bytes:
    request = ground.waiting_request()
    ground.work_off(DECIDE, ground.decision(request, "reject", "approver-2").octets)
    assert ground.state(request) == State.REJECTED
    return ground.decision(request, "accept").octets


def _after_withdrawal(ground: Ground) -> bytes:
    request = ground.waiting_request()
    decision = ground.decision(request, "accept")
    ground.work_off(
        POLICY, ground.sealed(POLICY, "web", SubmissionBatch(withdrawals=[request])).octets
    )
    assert ground.state(request) == State.WITHDRAWN
    return decision.octets


def _rejection_without_reason(ground: Ground) -> bytes:
    from pipeline.approve import waiting

    request = waiting.get(ground.signer_database, ground.waiting_request())
    assert request is not None
    return _decision(
        ground,
        request_id=request.id,
        digest=request.approvable().digest(),
        verdict="reject",
        reason="\u200b\u00ad",  # which nobody can see
    )


def _of_two(ground: Ground) -> str:
    """A request that two approvers must accept, and that one has accepted."""
    request = ground.waiting_request(f"{new_id()}.two.example.com")
    ground.work_off(DECIDE, ground.decision(request, "accept").octets)
    assert ground.state(request) == State.WAITING_FOR_APPROVAL
    return request


def _second_of_the_same(ground: Ground) -> bytes:
    return ground.decision(_of_two(ground), "accept").octets


def _same_message_twice(ground: Ground) -> bytes:
    request = ground.waiting_request(f"{new_id()}.two.example.com")
    decision = ground.decision(request, "accept").octets
    ground.work_off(DECIDE, decision)
    return decision


def _outcome(ground: Ground, request: str, **changes: Any) -> bytes:
    body = Outcome(request, 7, State.REJECTED, ground.now())
    notices = changes.pop("issuers", [])
    batch = OutcomeBatch([msgspec.structs.replace(body, **changes)], notices)
    return ground.sealed(DELIVER, "signer", batch).octets


def _issued(ground: Ground) -> tuple[bytes, IssuerNotice]:
    """A certificate that was really issued, to somebody else, and its issuer's notice."""
    from sqlalchemy import select

    from pipeline.signer.tables import certificates

    csr = factories.csr(names=[f"DNS:{new_id()}.example.com"], key_kind="ec:P-384")
    wanted = ground.submission(csr=csr)
    ground.work_off(POLICY, ground.sealed(POLICY, "web", SubmissionBatch([wanted])).octets)
    ground.deliver(ground.decision(wanted.id, "accept"))
    with ground.signer_database.read() as connection:
        certificate = connection.scalars(
            select(certificates.c.certificate).where(certificates.c.request_id == wanted.id)
        ).one()
    (notice,) = ground.signer.side.issuers.notices()
    return certificate, notice


def _for_another_key(ground: Ground) -> bytes:
    certificate, notice = _issued(ground)
    return _outcome(
        ground,
        ground.web_request(),
        state=State.ISSUED,
        certificate=certificate,
        issuer=notice.fingerprint,
    )


def _of_no_version(ground: Ground) -> bytes:
    """A certificate that says that it is of version 4, which X.509 does not have."""
    certificate, notice = _issued(ground)
    version_3, version_4 = bytes.fromhex("a003020102"), bytes.fromhex("a003020103")
    return _outcome(
        ground,
        ground.web_request(),
        state=State.ISSUED,
        certificate=certificate.replace(version_3, version_4, 1),
        issuer=notice.fingerprint,
    )


def _after_the_end(ground: Ground) -> bytes:
    genuine = ground.genuine(DELIVER)
    ground.deliver(genuine)
    return _outcome(ground, genuine.about, state=State.WAITING_FOR_APPROVAL, revision=99)


def _lower_revision(ground: Ground) -> bytes:
    request = ground.web_request()
    waits = {"state": State.WAITING_FOR_APPROVAL, "revision": 7}
    ground.work_off(DELIVER, _outcome(ground, request, **waits))
    assert ground.web_state(request) == State.WAITING_FOR_APPROVAL
    return _outcome(ground, request, revision=6)


def _false_issuer(ground: Ground) -> bytes:
    """A notice with a certificate of their own under a fingerprint that is not its."""
    _, notice = _issued(ground)
    forged = msgspec.structs.replace(notice, fingerprint=new_id().replace("-", "") * 2)
    return ground.sealed(DELIVER, "signer", OutcomeBatch(issuers=[forged])).octets


def _years_ago(ground: Ground) -> bytes:
    """Recorded two years ago; the sender's certificate is one that is still valid."""
    return _again(ground, POLICY, timedelta(days=730))


def _in_another_name(ground: Ground) -> bytes:
    """A decision on one request, sealed again under the id of a message that came before."""
    request = ground.waiting_request()
    ground.deliver(ground.decision(request, "accept"))
    genuine = ground.decision(ground.waiting_request(), "accept")
    ground.deliver(genuine)
    from tests.attacks.forge import payload_of

    message_id = payload_of(genuine.octets)["id"]
    body = Decision(ground.waiting_request(), "accept", "0" * 64, ground.now())
    return seal(ground.me["approver"], DECIDE, message_id, body, ground.now())


VAIN: list[Vain] = [
    Vain(f"{stage.name}: {name}", has, stage, prepare, trace)
    for name, has, stage, prepare, trace in (
        ("a request's id with another CSR", WEB_KEY, POLICY, _second(csr=_other_csr),
         "second-submission-refused"),
        ("a request's id with another profile", WEB_KEY, POLICY, _second(profile=lambda: "client"),
         "second-submission-refused"),
        ("a request's id in another requester's name", WEB_KEY, POLICY,
         _second(requester=lambda: "ci"), "second-submission-refused"),
        ("another CSR after the approval", WEB_KEY, POLICY, _another_after_approval,
         "second-submission-refused"),
        ("another comment", WEB_KEY, POLICY, _second(comment=lambda: "approved by phone"), REPEATED),
        ("another source", WEB_KEY, POLICY, _second(source=lambda: "web"), REPEATED),
        ("withdraws what is issued", WEB_KEY, POLICY, _withdraw_issued, REPEATED),
        ("withdraws what nobody requested", WEB_KEY, POLICY, _withdraw_unknown, REPEATED),
        ("replayed at once", NOTHING, POLICY, lambda g: _again(g, POLICY, timedelta()), REPEATED),
        ("replayed after hours", NOTHING, POLICY, lambda g: _again(g, POLICY, timedelta(hours=9)),
         REPEATED),
        ("replayed after years", NOTHING, POLICY, _years_ago, REPEATED),
        ("replayed after hours", NOTHING, DECIDE, lambda g: _again(g, DECIDE, timedelta(hours=9)),
         REPEATED),
        ("replayed after years", NOTHING, DELIVER, lambda g: _again(g, DELIVER, timedelta(days=730)),
         REPEATED),
        ("an approval over another digest", APPROVER_KEY, DECIDE, _decision, "wrong-digest"),
        ("an approval of another request with the same names", APPROVER_KEY, DECIDE,
         _digest_of_another, "wrong-digest"),
        ("an approval of what nobody requested", APPROVER_KEY, DECIDE,
         lambda g: _decision(g, request_id=new_id()), "unknown-request"),
        ("an approval after the rejection", APPROVER_KEY, DECIDE, _after_rejection, "late"),
        ("an approval after the withdrawal", NOTHING, DECIDE, _after_withdrawal, "late"),
        ("a rejection without a reason", APPROVER_KEY, DECIDE, _rejection_without_reason,
         "without-reason"),
        ("the same approver twice for a quorum of two", APPROVER_KEY, DECIDE, _second_of_the_same,
         "repeated"),
        ("the same message twice for a quorum of two", NOTHING, DECIDE, _same_message_twice,
         REPEATED),
        ("their own message's id for another request", APPROVER_KEY, DECIDE, _in_another_name,
         REPEATED),
        ("a certificate for another key", SIGNER_KEY, DELIVER, _for_another_key, "outcome-refused"),
        ("a certificate of a version that there is not", SIGNER_KEY, DELIVER, _of_no_version,
         "outcome-refused"),
        ("an outcome after the end", SIGNER_KEY, DELIVER, _after_the_end, "outcome-refused"),
        ("an outcome of a lower revision", SIGNER_KEY, DELIVER, _lower_revision, REPEATED),
        ("an outcome for what nobody requested", SIGNER_KEY, DELIVER,
         lambda g: _outcome(g, new_id()), REPEATED),
        ("a certificate that is none", SIGNER_KEY, DELIVER,
         lambda g: _outcome(g, g.web_request(), state=State.ISSUED, certificate=b"x", issuer="0" * 64),
         "outcome-refused"),
        ("issued without a certificate", SIGNER_KEY, DELIVER,
         lambda g: _outcome(g, g.web_request(), state=State.ISSUED), "outcome-refused"),
        ("a state of the web side", SIGNER_KEY, DELIVER,
         lambda g: _outcome(g, g.web_request(), state=State.RELAYED), "outcome-refused"),
        ("an issuer under another fingerprint", SIGNER_KEY, DELIVER, _false_issuer, REPEATED),
    )
]  # fmt: skip
