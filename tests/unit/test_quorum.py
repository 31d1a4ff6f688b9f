"""Whose decisions count, and what they lead to, over all orders of four approvers."""

from collections.abc import Mapping, Sequence
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import quorum

FOUR = ("approver-a", "approver-b", "approver-c", "approver-d")


def outcome(
    rule: Mapping[str, Any], requester: str | None, said: Sequence[tuple[str, str]]
) -> tuple[str | None, list[str]]:
    """Return the verdict, and whose decisions counted, as `decide` takes them one by one."""
    counted: list[tuple[str, str]] = []
    for approver, word in said:
        if quorum.admitted(rule, requester, approver) != quorum.COUNTED:
            continue
        counted.append((approver, word))
        verdict = quorum.verdict(rule, counted)
        if verdict is not None:
            return verdict, [approver for approver, _ in counted]
    return None, [approver for approver, _ in counted]


@pytest.mark.parametrize("needed", [1, 2, 3, 4])
@pytest.mark.parametrize("order", list(permutations(FOUR)))
def test_the_first_n_who_accept_complete_the_verdict(order: Sequence[str], needed: int) -> None:
    found = outcome({"quorum": needed}, None, [(one, "accept") for one in order])
    assert found == ("accept", list(order[:needed]))


@pytest.mark.parametrize("order", list(permutations(FOUR)))
def test_the_requester_never_counts_wherever_they_stand(order: Sequence[str]) -> None:
    verdict, counted = outcome({"quorum": 3}, "Approver-B", [(one, "accept") for one in order])
    assert verdict == "accept"
    assert counted == [one for one in order if one != "approver-b"]


@pytest.mark.parametrize("order", list(permutations(FOUR)))
def test_three_approvers_are_not_four(order: Sequence[str]) -> None:
    verdict, counted = outcome({"quorum": 4}, "approver-a", [(one, "accept") for one in order])
    assert (verdict, len(counted)) == (None, 3)


@pytest.mark.parametrize("order", list(permutations(FOUR)))
def test_only_those_of_the_set_count(order: Sequence[str]) -> None:
    rule = {"quorum": 2, "approver_names": ["approver-a", "approver-d"]}
    verdict, counted = outcome(rule, None, [(one, "accept") for one in order])
    assert verdict == "accept"
    assert counted == [one for one in order if one in ("approver-a", "approver-d")]


@pytest.mark.parametrize("order", list(permutations(FOUR)))
@pytest.mark.parametrize("words", list(product(["accept", "reject"], repeat=4)))
def test_whatever_the_order_the_first_to_complete_a_verdict_decides(
    order: Sequence[str], words: Sequence[str]
) -> None:
    said = list(zip(order, words, strict=True))
    verdict, counted = outcome({"quorum": 2}, None, said)
    expected, accepted = None, 0
    for number, word in enumerate(words, start=1):
        accepted += word == "accept"
        if word == "reject" or accepted == 2:
            expected = ("reject" if word == "reject" else "accept", list(order[:number]))
            break
    assert (verdict, counted) == expected


def test_a_requesters_own_word_does_not_count_under_any_of_their_names() -> None:
    rule = {"quorum": 1, "own": ["approver-a"]}
    assert quorum.admitted(rule, "requester-a", "approver-a") == quorum.OWN_REQUEST
    assert quorum.admitted(rule, "requester-a", "approver-b") == quorum.COUNTED
    assert quorum.admitted({}, "APPROVER-B", "approver-b") == quorum.OWN_REQUEST
    assert quorum.admitted({}, None, "approver-b") == quorum.COUNTED


def test_the_requester_in_the_set_is_said_to_be_the_requester() -> None:
    rule = {"approver_names": ["approver-a"]}
    assert quorum.admitted(rule, "approver-a", "approver-a") == quorum.OWN_REQUEST
    assert quorum.admitted(rule, "approver-a", "approver-b") == quorum.NOT_ADMITTED


def test_saying_it_twice_is_saying_it_once() -> None:
    assert (
        quorum.verdict({"quorum": 2}, [("approver-a", "accept"), ("approver-a", "accept")]) is None
    )


@given(
    needed=st.integers(1, 5),
    of_set=st.none() | st.sets(st.sampled_from(FOUR)),
    requester=st.none() | st.sampled_from(FOUR),
    said=st.lists(st.tuples(st.sampled_from(FOUR), st.sampled_from(["accept", "reject"]))),
)
def test_an_acceptance_has_enough_people_of_the_set_and_never_the_requester(
    needed: int,
    of_set: set[str] | None,
    requester: str | None,
    said: list[tuple[str, str]],
) -> None:
    rule: dict[str, Any] = {"quorum": needed}
    if of_set is not None:
        rule["approver_names"] = sorted(of_set)
    verdict, counted = outcome(rule, requester, said)
    assert requester not in counted
    assert of_set is None or set(counted) <= of_set
    if verdict == "accept":
        assert len(set(counted)) == needed
