"""Was every promise kept? Reads both databases when all is settled, and trusts nothing else."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography import x509

from tests.chaos.ground import SIDES, Ground
from tests.chaos.load import KINDS, Ledger

STATES: Final = """
    SELECT r.id::text, r.state, r.revision, r.reason, c.certificate
    FROM requests r LEFT JOIN certificates c ON c.request_id = r.id
"""

UNSETTLED: Final = {
    "web": "SELECT count(*) FROM requests WHERE state NOT IN ('issued', 'rejected', 'withdrawn')",
    "signer": "SELECT count(*) FROM requests"
    " WHERE told_revision < revision OR state NOT IN ('issued', 'rejected', 'withdrawn')",
}

MOVES: Final = """
    SELECT request_id::text, details->>'from', details->>'to', (details->>'revision')::int
    FROM audit WHERE event = 'state-changed' ORDER BY id
"""


@dataclass
class Verdict:
    """The promises, each with the ids for which it was broken."""

    accepted: int = 0
    final: Counter[str] = field(default_factory=Counter)
    broken: dict[str, list[str]] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether all promises were."""
        return not any(self.broken.values())


def unsettled(ground: Ground) -> int:
    """Count the requests that are not final yet on a side, or not told."""
    count = 0
    for side in SIDES:
        with ground.connect(side) as connection:
            row = connection.execute(UNSETTLED[side]).fetchone()
            count += int(str(row[0])) if row else 0
    return count


def judge(ground: Ground, ledger: Ledger) -> Verdict:
    """Compare what the clients know with both databases, and these with each other."""
    web, signer = (_states(ground, side) for side in SIDES)
    ids = {number: found for number, found in ledger.ids.items() if found}
    acknowledged = {one for found in ids.values() for one in found}
    kinds = {one: ledger.kinds[number] for number, found in ids.items() for one in found}
    broken = {
        "lost": [one for one in acknowledged if one not in web or one not in signer],
        "stuck": [one for one in acknowledged & web.keys() if web[one][0] not in _ENDS],
        "ended otherwise": [
            f"{one} ({kinds[one]}): {web[one][0]}, {web[one][2]}"
            for one in acknowledged & web.keys()
            if web[one][0] in _ENDS and web[one][0] != KINDS[kinds[one]].end
        ],
        "accepted twice": [
            *(f"request {number}: {found}" for number, found in ids.items() if len(found) > 1),
            *(f"nobody's: {one}" for one in web.keys() - acknowledged),
        ],
        "issued twice": _doubled(ground, signer),
        "sides differ": [
            one for one in web.keys() | signer.keys() if web.get(one) != signer.get(one)
        ],
        "audit incomplete": [
            *_gaps("web", _moves(ground, "web"), web),
            *_gaps("signer", _moves(ground, "signer"), signer),
        ],
        "answered oddly": ledger.unexpected,
    }
    return Verdict(
        accepted=len(ids),
        final=Counter(row[0] for one, row in web.items() if one in acknowledged),
        broken=broken,
    )


_ENDS: Final = {kind.end for kind in KINDS.values()} | {"failed", "expired"}

State = tuple[Any, ...]


def _states(ground: Ground, side: str) -> dict[str, State]:
    with ground.connect(side) as connection:
        return {str(row[0]): row[1:] for row in connection.execute(STATES)}


def _doubled(ground: Ground, signer: Mapping[str, State]) -> list[str]:
    """Find serials and names with more than one certificate, and bytes that are not the TBS's."""
    serials: defaultdict[int, list[str]] = defaultdict(list)
    names: defaultdict[str, list[str]] = defaultdict(list)
    with ground.connect("signer") as connection:
        tbs: dict[Any, Any] = dict(
            connection.execute("SELECT request_id::text, octets FROM tbs").fetchall()
        )
        issued = Counter(
            str(one)
            for (one,) in connection.execute(
                "SELECT request_id::text FROM audit"
                " WHERE event = 'state-changed' AND details->>'to' = 'issued'"
            )
        )
    problems = [f"{one} became issued {count} times" for one, count in issued.items() if count > 1]
    for one, row in signer.items():
        if row[3] is None:
            continue
        certificate = x509.load_der_x509_certificate(row[3])
        serials[certificate.serial_number].append(one)
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        for name in alternative.value.get_values_for_type(x509.DNSName):
            names[name].append(one)
        if certificate.tbs_certificate_bytes != tbs.get(one):
            problems.append(f"{one}: not what was stored to be signed")
    for what in (serials, names):
        problems += [f"{key}: {several}" for key, several in what.items() if len(several) > 1]
    return problems


def _moves(ground: Ground, side: str) -> dict[str, list[tuple[Any, ...]]]:
    found: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    with ground.connect(side) as connection:
        for one, *move in connection.execute(MOVES):
            found[str(one)].append(tuple(move))
    return found


def _gaps(
    side: str, moves: Mapping[str, Iterable[tuple[Any, ...]]], states: Mapping[str, State]
) -> list[str]:
    """Find requests whose audit does not lead, step by step, to the state in which they are."""
    problems = []
    for one, row in states.items():
        state, revision = None, -1
        for source, target, number in moves.get(one, ()):
            if source != state or number < revision or (side == "signer" and number == revision):
                problems.append(f"{side}: {one}: {source} to {target} after {state}")
            state, revision = target, number
        if (state, revision) != (row[0], row[1]):
            problems.append(f"{side}: {one} is {row[0]}, and its audit ends with {state}")
    return problems
