"""How `httpca policy explain` says which rule met a CSR, and why."""

from collections.abc import Iterator
from typing import Any, Final

from pipeline.commands.certificate_to_be import CertificateToBe
from pipeline.crypto.csr import Csr
from pipeline.crypto.told import dropped
from pipeline.crypto.visible import visible
from pipeline.signer.policy import DEFAULT, PROFILE, Explanation, Verdict

_SHOWN: Final = 20
"""How many names are listed."""


def to_plain(csr: Csr, explanation: Explanation, made: CertificateToBe) -> dict[str, Any]:
    """Return the explanation as JSON has it."""
    verdict = explanation.verdict
    return {
        "action": verdict.action,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "quorum": verdict.quorum,
        "approvers": verdict.rule_snapshot.get("approver_names"),
        "limit": verdict.rule_snapshot.get("limit"),
        "certificate": made.content,
        "cannot_be_issued": made.why_not or None,
        "tried": [
            {
                "rule": trial.rule,
                "action": trial.action,
                "matched": trial.matched,
                "mismatches": list(trial.mismatches),
            }
            for trial in explanation.trials
        ],
        "csr": {
            "subject": csr.subject,
            "names": [str(name) for name in csr.names],
            "key": csr.key.kind,
            "ignored": list(_ignored(csr, explanation)),
        },
    }


def as_text(csr: Csr, explanation: Explanation, profile: str, made: CertificateToBe) -> str:
    """Return the explanation for people."""
    names = [visible(str(name)) for name in csr.names[:_SHOWN]]
    if len(csr.names) > _SHOWN:
        names.append(f"and {len(csr.names) - _SHOWN} more")
    lines = [
        f"Names:   {', '.join(names) or 'none'}",
        f"Key:     {csr.key.kind}",
        f"Profile: {visible(profile)}",
    ]
    lines += [f"Ignored: {visible(ignored)}" for ignored in _ignored(csr, explanation)]
    lines.append("")
    for trial in explanation.trials:
        if trial.matched:
            lines.append(f"+ {visible(trial.rule)}: matches")
        else:
            lines.append(f"- {visible(trial.rule)}: {visible('; '.join(trial.mismatches))}")
    lines.append(_verdict(explanation.verdict))
    return "\n".join([*lines, *_certificate(made)])


def _ignored(csr: Csr, explanation: Explanation) -> tuple[str, ...]:
    profile = explanation.verdict.profile
    return csr.ignored if profile is None else dropped(csr, profile)


def _certificate(made: CertificateToBe) -> Iterator[str]:
    if made.why_not:
        yield f"It could not be issued: {visible(made.why_not)}"
    if made.content is None:
        return
    yield ""
    yield "The certificate, if it were issued then:"
    if made.stand_in:
        yield "  Issuer:  (not known here; --config DIR/signer shows it)"
    else:
        yield f"  Issuer:  {visible(made.content['issuer'])}"
    yield f"  Subject: {visible(made.content['subject']) or 'empty'}"
    yield f"  Names:   {', '.join(visible(name) for name in made.content['names'][:_SHOWN])}"
    yield f"  Valid:   {made.content['not_before']} to {made.content['not_after']}"
    for name, extension in made.content["extensions"].items():
        if extension["value"]:
            critical = " (critical)" if extension["critical"] else ""
            yield f"  {name}{critical}: {extension['value']}"


def _verdict(verdict: Verdict) -> str:
    by = {
        DEFAULT: "since no rule matches",
        PROFILE: "before any rule, because of the profile",
    }.get(verdict.rule, f"by the rule “{visible(verdict.rule)}”")
    if verdict.action == "sign":
        return f"It would be signed at once, {by}."
    if verdict.action == "approve":
        people = "an approver" if verdict.quorum == 1 else f"{verdict.quorum} approvers"
        names = verdict.rule_snapshot.get("approver_names")
        among = f" of {', '.join(visible(name) for name in names)}" if names else ""
        return f"It would wait for {people}{among}, {by}."
    return f"It would be rejected, {by}: {visible(verdict.reason)}"
