"""What an approver sees of one request, by rich: at 80 columns, with or without colour.

Whatever somebody else wrote goes through ``harmless`` and into a ``Text``, which knows no markup:
so it can neither move the cursor nor colour the terminal nor break a line.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives import hashes
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.rule import Rule
from rich.text import Text

from pipeline.approve import standing
from pipeline.approve.facts import CertificateToBe, Facts
from pipeline.approve.harmless import harmless, whole
from pipeline.approve.waiting import Recorded
from pipeline.crypto.csr import Csr
from pipeline.crypto.names import Name

SHOWN_OF_COMMENT: Final = 400
"""Characters of a comment that the screen shows; the rest is in `show --json`."""

LABEL: Final = 10
MIN_VALUE: Final = 10
"""Columns of a label, and those that a value gets even in a very narrow terminal."""

NAMES_IN_LINES: Final = 8
"""Up to so many names each get a line of their own."""

_EFFECTS: Final = {
    "counted": "counts",
    "late": "came too late",
    "overdue": "came when the time was over",
    "wrong-digest": "did not fit the request",
    "without-reason": "gave no reason",
    "repeated": "said again",
    "revoked": "does not count: their certificate was revoked",
    "own-request": "of the requester, does not count",
    "not-admitted": "not of the rule's set, does not count",
    "voided": "voided when the request was re-evaluated",
}


def screen(facts: Facts, me: str, now: datetime, title: str = "Request") -> RenderableType:
    """Return the whole screen of one request, without a prompt."""
    parts: list[RenderableType] = [
        Rule(Text(title, "bold"), align="left", style="cyan"),
        Rows(list(_request(facts, me, now))),
        Text(),
        Text("The certificate would contain", "bold"),
        Rows(list(_certificate(facts))),
    ]
    if facts.unusual or facts.unacceptable:
        parts.append(Text())
        parts += [_warning(sentence) for sentence in facts.unusual]
    if facts.unacceptable:
        parts.append(_warning(f"It cannot be accepted. {facts.unacceptable}"))
    return Group(*parts)


def age(since: datetime, now: datetime) -> str:
    """Return how long ago something was, in its largest unit: ``3 hours``."""
    passed = max(now - since, timedelta())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(passed.total_seconds()) // length
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def name_text(name: Name) -> Text:
    """Return a name for people: as it will stand in the certificate, and what it looks like."""
    text = Text(whole(str(name)), "bold")
    if name.is_idn:
        text.append(f" = {whole(name.display())}")
    return text


Row = tuple[str, Text]


@dataclass(frozen=True, slots=True)
class Rows:
    """Labels at the left and values beside them, wrapped to the terminal and never padded."""

    rows: Sequence[Row]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render each value in as many lines as it needs; only a label begins at the left."""
        width = max(options.max_width - LABEL, MIN_VALUE)
        for label, value in self.rows:
            for number, line in enumerate(value.wrap(console, width, overflow="fold")):
                line.rstrip()
                yield Text.assemble(((label if number == 0 else "").ljust(LABEL), "cyan"), line)


def _request(facts: Facts, me: str, now: datetime) -> Iterable[Row]:
    request = facts.request
    yield "Id", Text(request.id)
    who = "anonymous" if request.requester is None else f"“{harmless(request.requester)}”"
    asked = Text.assemble((who, "bold"), f", by {harmless(request.source)}")
    yield "Asked by", asked.append(" (the web side's word)", "dim")
    since = f"{standing.at(request.submitted_at)}, {age(request.submitted_at, now)} ago"
    if request.waits and request.expires_at is not None:
        since += f"; waits until {request.expires_at:%Y-%m-%d}"
    yield "Since", Text(since)
    if not request.waits:
        yield "State", Text(standing.describe(request, me))
    if request.comment:
        yield "Comment", Text(f"“{harmless(request.comment, SHOWN_OF_COMMENT)}”")
    yield "Rule", _rule(request.rule)
    if facts.csr is not None:
        found = facts.certificate.dropped if facts.certificate else facts.csr.ignored
        if found:
            ignored = "; ".join(harmless(part, 200) for part in found)
            yield "Ignored", Text(f"in the CSR: {ignored}")
    if request.decisions:
        yield "Decisions", Text("\n").join(_decision(d, me) for d in request.decisions)


def _certificate(facts: Facts) -> Iterable[Row]:
    certificate, csr, profile = facts.certificate, facts.csr, facts.profile
    if csr is not None:
        yield "Subject", _subject(csr, certificate)
        yield "Names", _names(csr.names)
        yield "Key", Text(f"{csr.key.text}, SPKI SHA-256:\n{csr.key.fingerprint}")
    if profile is not None:
        more = f": {profile.description}" if profile.description else ""
        yield "Profile", Text.assemble((whole(profile.name), "bold"), whole(more))
    if certificate is not None:
        yield "Key use", Text(usages_text(certificate))
        for label, sentence in certificate.powers:
            yield label, Text(whole(sentence), "bold")
        yield "Valid", Text(validity_text(certificate))
        for kind, url in certificate.urls:
            yield "URL", Text(f"{kind}: {whole(url)}")
    if facts.issuer is None:
        yield "Issuer", Text(f"cannot be shown, SHA-256:\n{facts.request.issuer}")
    else:
        subject = whole(facts.issuer.subject.rfc4514_string())
        fingerprint = facts.issuer.fingerprint(hashes.SHA256()).hex()
        yield "Issuer", Text(f"{subject}, SHA-256:\n{fingerprint}")


def _subject(csr: Csr, certificate: CertificateToBe | None) -> Text:
    if certificate is not None and certificate.subject:
        return Text(whole(certificate.subject))
    return Text(f"empty (the CSR says {harmless(csr.subject)})" if csr.subject else "empty")


def _names(names: tuple[Name, ...]) -> Text:
    if not names:
        return Text("none")
    if len(names) <= NAMES_IN_LINES:
        return Text("\n").join(name_text(name) for name in names)
    return Text.assemble(f"{len(names)}: ", Text(", ").join(name_text(name) for name in names))


def usages_text(certificate: CertificateToBe) -> str:
    """Return what its key may be used for, and whether it is a CA's."""
    usages = [*certificate.key_usage, *certificate.extended_key_usage]
    found = ", ".join(whole(usage).replace("_", " ") for usage in usages)
    return found if certificate.ca else f"{found}; no CA"


def validity_text(certificate: CertificateToBe) -> str:
    """Return how long it is valid."""
    until = f"{certificate.not_after:%Y-%m-%d}"
    if certificate.cut_short:
        return f"until its issuer ends, {until}"
    return f"{certificate.validity} (if issued now, until {until})"


def _rule(rule: Mapping[str, Any]) -> Text:
    """Show a rule whole: its name, what it says, and every other member as it stands."""
    rest = dict(rule)
    text = Text(f"“{whole(str(rest.pop('name', '')))}”")
    says = [whole(str(rest.pop("action", "")))]
    if (quorum := rest.pop("quorum", 1)) != 1:
        says.append(f"{whole(_value(quorum))} approvals needed")
    if (names := rest.pop("approver_names", None)) is not None:
        of_set = whole(_value(rest.pop("approvers", "")))
        says.append(f"of the approvers “{of_set}”: {whole(_value(names))}")
    text.append(f" ({', '.join(says)})")
    given = {key: value for key, value in rest.items() if value not in ("", [], None, False)}
    shown = [f"{key} = {_value(value)}" for key, value in given.items()]
    return text.append(whole(" when " + "; ".join(shown))) if shown else text


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " or ".join(_value(item) for item in value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode("utf-8")


def _decision(decision: Recorded, me: str) -> Text:
    who = "you" if decision.approver == me else harmless(decision.approver)
    effect = _EFFECTS.get(decision.effect, harmless(decision.effect, 30))
    text = Text(f"{harmless(decision.verdict, 20)} by {who}, {standing.at(decision.decided_at)}")
    text.append(f" ({effect})")
    return text.append(f": “{harmless(decision.reason)}”") if decision.reason else text


def _warning(sentence: str) -> Text:
    return Text.assemble(("! ", "bold yellow"), (harmless(sentence), "yellow"))
