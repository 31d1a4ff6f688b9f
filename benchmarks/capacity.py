"""What 10 and 100 times this machine's throughput would need, worked out from the costs measured.

A plan, not a measurement: it takes the CPU time that a certificate costs in each process here, and
assumes that this stays the same. Processes of a role are added as needed; what cannot be added is where
it ends.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

BUSY: Final = 0.7
"""How much of a core is planned to be used; what is left keeps queues, and so latency, short."""

SECONDS_A_DAY: Final = 86_400

CLIENT: Final = "load"

NOT_OURS: Final = frozenset({CLIENT, "honcho"})
"""Parts that an installation does not have, or that cost nothing worth planning."""


@dataclass(frozen=True)
class Limit:
    """At most how many cores a part can use, and why."""

    cores: float
    why: str


LIMITS: Final = {
    "signer-clock": Limit(1, "one process gives the audit's entries their places"),
    "web-clock": Limit(1, "one process hears of new requests and wakes"),
    "PostgreSQL signer": Limit(32, "one primary database; 32 cores is a large server"),
    "PostgreSQL web": Limit(32, "one primary database; 32 cores is a large server"),
    "PostgreSQL": Limit(
        2, "log writer and checkpointer, mostly: one process each, on each primary"
    ),
    "RabbitMQ": Limit(4, "each queue is one Erlang process, and four of them carry the load"),
}
"""What cannot be given more by starting more of it. The roles are not here: they can."""


@dataclass(frozen=True)
class Part:
    """What one part costs and needs. ``cost`` is CPU milliseconds for one certificate; ``cores`` those
    that each plan needs; ``most`` the certificates per second at which it is saturated."""

    name: str
    cost: float
    cores: list[float]
    most: float
    why: str


@dataclass(frozen=True)
class Plan:
    """``rates`` are the certificates per second that are planned for; ``parts`` come in the order in
    which they are saturated."""

    rates: list[float]
    parts: list[Part]

    @property
    def first(self) -> Part | None:
        """The part that is saturated first."""
        limited = [part for part in self.parts if math.isfinite(part.most)]
        return limited[0] if limited else None


def plan(rate: float, costs: Mapping[str, float], multiples: tuple[float, ...] = (10, 100)) -> Plan:
    """Return what ``multiples`` of ``rate`` certificates per second need, at these ``costs`` (CPU
    milliseconds for one certificate, by part)."""
    rates = [rate * multiple for multiple in multiples]
    parts = []
    for name, cost in costs.items():
        if name in NOT_OURS or cost <= 0:
            continue
        limit = LIMITS.get(name, Limit(math.inf, "more processes, on more machines"))
        cores = [one * cost / 1000 / BUSY for one in rates]
        parts.append(Part(name, cost, cores, limit.cores * BUSY * 1000 / cost, limit.why))
    return Plan(rates, sorted(parts, key=lambda part: (part.most, -part.cost)))


def of_figures(figures: Mapping[str, Any]) -> dict[str, Plan]:
    """Return the plan for each way of submitting that the figures have costs of."""
    found = {}
    for case in ("throughput", "batches"):
        if case in figures["cases"]:
            summary = figures["cases"][case]["summary"]
            costs = {part: spent["median"] for part, spent in summary["cpu"].items()}
            found[case] = plan(summary["rate"]["median"], costs)
    return found


def storage(figures: Mapping[str, Any], case: str, planned: Plan) -> str:
    """Say how much both databases grow in a day at these rates."""
    octets = figures["cases"][case]["summary"]["bytes"]
    each = sum(one["median"] for one in octets.values())
    days = [
        f"{rate * each * SECONDS_A_DAY / 1e9:,.0f} GB at {rate:,.0f}/s" for rate in planned.rates
    ]
    return f"Kept up for a day, both databases grow by {' and '.join(days)}, indexes included."


def rows(planned: Plan) -> list[list[str]]:
    """Return the plan as rows of a table, the heading first."""
    heads = [f"cores for {rate:,.0f}/s" for rate in planned.rates]
    found = [["part", "ms each", *heads, "saturated at", "because"]]
    for part in planned.parts:
        most = f"{part.most:,.0f}/s" if math.isfinite(part.most) else "-"
        cores = [f"{cores:.1f}" for cores in part.cores]
        found.append([part.name, f"{part.cost:.2f}", *cores, most, part.why])
    return found


def sentence(planned: Plan) -> str:
    """Say what is saturated first."""
    first = planned.first
    if first is None:
        return "Nothing that cannot be added was measured."
    reached = [rate for rate in planned.rates if rate <= first.most]
    goal = (
        f"enough for all of {', '.join(f'{rate:,.0f}/s' for rate in planned.rates)}"
        if len(reached) == len(planned.rates)
        else f"short of {planned.rates[len(reached)]:,.0f}/s"
    )
    return (
        f"Saturated first: {first.name}, at about {first.most:,.0f} certificates/s ({first.why}); "
        f"that is {goal}."
    )
