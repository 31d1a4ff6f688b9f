"""Refused messages are all counted, and told of at a limited rate."""

from pipeline.broker.refusals import QUIET_TIME, Refusals
from pipeline.errors import MessageRefused


def test_a_flood_of_one_kind_is_counted_and_reported_once_in_a_while() -> None:
    reports: list[tuple[str, str, str, int]] = []
    time = [0.0]
    refusals = Refusals(lambda *report: reports.append(report), monotonic=lambda: time[0])

    for _ in range(10_000):
        refusals.note("signer.policy", MessageRefused("bad-signature", "web"))
    time[0] += QUIET_TIME
    refusals.note("signer.policy", MessageRefused("bad-signature", "web"))

    assert refusals.counts == {("signer.policy", "bad-signature", "web"): 10_001}
    assert reports == [
        ("signer.policy", "bad-signature", "web", 1),
        ("signer.policy", "bad-signature", "web", 10_000),
    ]


def test_every_kind_is_reported_when_it_first_occurs() -> None:
    reports: list[tuple[str, str, str, int]] = []
    refusals = Refusals(lambda *report: reports.append(report), monotonic=lambda: 0.0)

    refusals.note("signer.policy", MessageRefused("bad-signature", "web"))
    refusals.note("signer.policy", MessageRefused("wrong-queue", "web"))
    refusals.note("signer.sign", MessageRefused("wrong-queue", "web"))

    assert len(reports) == 3
