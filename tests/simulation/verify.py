"""The reckoning: what must hold when all has come to rest, looked at from every side."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from cryptography import x509

from pipeline import messages
from pipeline.crypto import csr as csrs
from pipeline.crypto import jws
from pipeline.digest import Approvable
from pipeline.messages import Decision
from pipeline.signer import suspects
from pipeline.signer.examine import STATES
from pipeline.signer.policy import judge
from pipeline.states import SIGNER, WEB, State
from tests.simulation.faults import Fault
from tests.simulation.template import ATTEMPTS, FIRST, csr
from tests.simulation.trail import audit_tells_all, every, rows
from tests.simulation.world import World

DEADLY = suspects.DEADLY.partition("{")[0]
NEVER_ISSUED = frozenset(
    {State.REJECTED, State.WITHDRAWN, State.EXPIRED, State.WAITING_FOR_APPROVAL}
)


def verify(world: World) -> Counter[str]:
    """Note everything that is wrong; return how many requests ended in which state."""
    Reckoning(world).run()
    rows = world.template.signer.ask("SELECT state FROM requests")
    return Counter(state for (state,) in rows)


class Reckoning:
    """All rows, read once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.web, self.signer = world.template.web, world.template.signer
        self.web_rows = rows(self.web, "requests")
        self.rows = rows(self.signer, "requests")
        self.web_submissions = rows(self.web, "submissions", "request_id")
        self.submissions = rows(self.signer, "submissions", "request_id")
        self.tbs = rows(self.signer, "tbs", "request_id")
        self.decisions: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in every(self.signer, "decisions"):
            self.decisions[row["request_id"]].append(row)

    def run(self) -> None:
        """Check everything."""
        problems = [
            *self.nothing_is_lost(),
            *self.both_sides_agree(),
            *self.one_certificate_each(),
            *audit_tells_all(self.web, WEB, "web", self.web_rows),
            *audit_tells_all(self.signer, SIGNER, "signer", self.rows),
            *self.policy_decided(),
            *self.decisions_count(),
            *self.only_what_may_be_issued(),
            *self.failures_have_causes(),
            *self.nothing_was_refused(),
        ]
        for problem in problems:
            self.world.wrong(problem)
        self._count_what_people_did()

    def nothing_is_lost(self) -> Iterator[str]:
        """What was acknowledged is there; what was decided is recorded."""
        for wanted in self.world.wanted:
            if wanted.id is not None and wanted.id not in self.web_rows:
                yield f"{wanted.label} was acknowledged and is lost"
        known = {row["id"] for found in self.decisions.values() for row in found}
        for message_id in self.world.decided:
            if message_id not in known:
                yield f"decision {message_id} was made and never recorded"

    def both_sides_agree(self) -> Iterator[str]:
        """Both sides say the same of every request, byte for byte."""
        if self.web_rows.keys() != self.rows.keys():
            yield "the sides know different requests"
        mine = rows(self.web, "certificates", "request_id")
        theirs = rows(self.signer, "certificates", "request_id")
        for key in self.web_rows.keys() & self.rows.keys():
            for column in ("state", "revision", "reason"):
                if self.web_rows[key][column] != self.rows[key][column]:
                    yield f"{self._name(key)} has another {column} on each side"
            for one, other in (("csr", "csr"), ("profile", "profile_name"), ("source", "source")):
                if self.web_submissions[key][one] != self.submissions[key][other]:
                    yield f"{self._name(key)} has another {one} on each side"
            issued = self.rows[key]["state"] == State.ISSUED
            if issued != (key in theirs) or issued != (key in mine):
                yield f"{self._name(key)} is {self.rows[key]['state']}: a certificate is where?"
            elif issued and mine[key]["certificate"] != theirs[key]["certificate"]:
                yield f"{self._name(key)} has another certificate on each side"

    def one_certificate_each(self) -> Iterator[str]:
        """Whatever was ever stored or sent: one certificate per request, one request per serial."""
        seen: defaultdict[str, set[bytes]] = defaultdict(set)
        for request_id, certificates in self.world.exchange.certificates.items():
            seen[request_id] |= certificates
        for side in (self.web, self.signer):
            for row in every(side, "seen_certificates"):
                seen[row["id"]].add(row["octets"])
        serials: defaultdict[int, set[str]] = defaultdict(set)
        for key, certificates in seen.items():
            if len(certificates) > 1:
                yield f"{self._name(key)} has {len(certificates)} different certificates"
            for octets in certificates:
                certificate = x509.load_der_x509_certificate(octets)
                serials[certificate.serial_number].add(key)
                tbs = self.tbs.get(key)
                if tbs is None or certificate.tbs_certificate_bytes != tbs["octets"]:
                    yield f"{self._name(key)} has a certificate that is not of its TBS"
                elif certificate.serial_number != int(tbs["serial"], 16):
                    yield f"{self._name(key)} has a certificate of another serial"
                request = x509.load_der_x509_csr(self.submissions[key]["csr"])
                if certificate.public_key() != request.public_key():
                    yield f"{self._name(key)} has a certificate for another key"
            if self.rows[key]["state"] != State.ISSUED:
                yield f"{self._name(key)} is {self.rows[key]['state']} and has a certificate"
        for serial, keys in serials.items():
            if len(keys) > 1:
                yield f"serial {serial:x} was used for {len(keys)} requests"

    def policy_decided(self) -> Iterator[str]:
        """Each request began as the policy says that is named in its record."""
        policies = {policy.digest: policy for policy in self.world.template.policies}
        first = {
            row["request_id"]: row["details"]["to"]
            for row in every(self.signer, "audit")
            if row["event"] == "state-changed" and row["details"]["from"] is None
        }
        for key, row in self.submissions.items():
            if self.rows[key]["reason"].startswith(DEADLY):
                if self.world.examining_troubles[key] < ATTEMPTS:
                    yield f"{self._name(key)} was taken for deadly, and nobody had died of it"
                continue
            policy = policies[row["policy_digest"]]
            read = csrs.read(row["csr"])
            verdict = judge(
                policy,
                read,
                row["profile_name"],
                row["requester"],
                row["source"],
                at=FIRST,
            )
            if first.get(key) != STATES[verdict.action]:
                yield f"{self._name(key)} began as {first.get(key)}, not as {verdict.action}"
            if row["rule"] != json.loads(json.dumps(verdict.rule_snapshot)):
                yield f"{self._name(key)} has another rule than that of its policy"

    def decisions_count(self) -> Iterator[str]:
        """What was counted is by different approvers, over the right digest, in time."""
        for key, found in self.decisions.items():
            counted = [row for row in found if row["effect"] == "counted"]
            if len({row["approver"] for row in counted}) < len(counted):
                yield f"{self._name(key)}: somebody's decision was counted twice"
            for row in found:
                made = read_decision(row["token"])
                right = made.digest == self._digest(key)
                if (row["effect"] == "wrong-digest") == right:
                    yield f"{self._name(key)}: a decision is {row['effect']}, and its digest is {right}"
                if (made.request_id, made.verdict) != (key, row["verdict"]):
                    yield f"{self._name(key)}: a decision says something else than its message"
            rejected = [row for row in counted if row["verdict"] == "reject"]
            if len(rejected) > 1 or (rejected and self.rows[key]["state"] != State.REJECTED):
                yield f"{self._name(key)}: {len(rejected)} rejections, and {self.rows[key]['state']}"
            quorum = self.submissions[key]["rule"].get("quorum", 1)
            if len(counted) - len(rejected) > quorum or (
                rejected and len(counted) - len(rejected) >= quorum
            ):
                yield f"{self._name(key)}: decisions were counted after the verdict"

    def only_what_may_be_issued(self) -> Iterator[str]:
        """A TBS exists only by verdict `sign`, or for enough decisions that accept."""
        for key in self.tbs.keys() | {
            k for k, row in self.rows.items() if row["state"] == "issued"
        }:
            rule = self.submissions[key]["rule"]
            if rule["action"] == "sign":
                continue
            accepts = {
                row["approver"]
                for row in self.decisions[key]
                if row["effect"] == "counted" and read_decision(row["token"]).verdict == "accept"
            }
            if rule["action"] != "approve" or len(accepts) < rule.get("quorum", 1):
                yield f"{self._name(key)} was signed, and nobody allowed it"
        failed_once = {
            row["request_id"]
            for row in every(self.signer, "audit")
            if row["details"].get("from") == State.FAILED
        }
        for key in self.tbs:
            if self.rows[key]["state"] in NEVER_ISSUED and key not in failed_once:
                yield f"{self._name(key)} is {self.rows[key]['state']}, and signing had begun"

    def failures_have_causes(self) -> Iterator[str]:
        """Nothing fails because of the infrastructure."""
        for row in every(self.signer, "audit"):
            if row["details"].get("to") != State.FAILED:
                continue
            name, reason = self._name(row["request_id"]), row["details"].get("reason", "")
            troubles = self.world.signing_troubles[row["request_id"]]
            if "signing was begun" in reason:
                if troubles < (1 if "poison" in name else ATTEMPTS):
                    yield f"{name} failed as if its worker had died of it, and none had"
            elif "poison" not in name or "ZeroDivisionError" not in reason:
                yield f"{name} failed: {reason}"

    def nothing_was_refused(self) -> Iterator[str]:
        """Nobody lies here, so nothing that came was unfit; and each decision came once."""
        for side in (self.web, self.signer):
            for row in every(side, "audit"):
                if row["event"] in ("outcome-refused", "second-submission-refused"):
                    yield f"{self._name(row['request_id'])}: {row['event']}: {row['details']}"
        recorded = Counter(
            row["details"]["decision"]
            for row in every(self.signer, "audit")
            if row["event"] == "decision-recorded"
        )
        for message_id, times in recorded.items():
            if times > 1:
                yield f"decision {message_id} was recorded {times} times"

    def _digest(self, key: str) -> str:
        row = self.submissions[key]
        names = ("csr", "requester", "profile", "rule", "issuer")
        return Approvable(request_id=key, **{name: row[name] for name in names}).digest()

    def _wanted(self, key: str) -> Any:
        label = self.world.labels.get(key)
        return next((one for one in self.world.wanted if one.label == label), None)

    def _name(self, key: str) -> str:
        wanted = self._wanted(key)
        if wanted is not None:
            return f"{wanted.label} {wanted.name}"
        for one in self.world.wanted:
            if key in self.web_submissions and self.web_submissions[key]["csr"] == csr(one.name):
                return f"{one.label}? {one.name}"
        return key

    def _count_what_people_did(self) -> None:
        tally = self.world.chaos.tally
        for key, row in self.web_rows.items():
            if row["withdrawal_wished"]:
                withdrawn = row["state"] == State.WITHDRAWN
                tally[Fault.WITHDRAWN if withdrawn else Fault.WITHDRAWN_TOO_LATE] += 1
            found = self.decisions[key]
            if len({one["verdict"] for one in found if one["effect"] in ("counted", "late")}) == 2:
                tally[Fault.DIFFERENT_DECISIONS] += 1
            tally[Fault.LATE_DECISION] += sum(one["effect"] == "late" for one in found)
            tally[Fault.WRONG_DIGEST] += sum(one["effect"] == "wrong-digest" for one in found)
        made = Counter(
            row["details"]["by"]
            for row in every(self.signer, "audit")
            if row["event"] == "state-changed"
        )
        reasons = (row["reason"] for row in self.rows.values())
        tally[Fault.SUSPECTED] += sum(reason.startswith(DEADLY) for reason in reasons)
        tally[Fault.EXPIRED] += made["clock"]
        tally[Fault.RETRIED] += made["retry"]
        tally[Fault.REJECTED_BY_OPERATOR] += made["reject"]


def read_decision(token: bytes) -> Decision:
    """Read a decision from the message that was kept as evidence."""
    payload = messages.read(messages.Payload, jws.parse(token).payload)
    return messages.read(Decision, payload.body)
