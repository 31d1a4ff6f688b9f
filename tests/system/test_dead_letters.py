"""Operators see what was refused and why, and can drop it."""

import json

from pipeline.broker.publisher import open_publisher
from tests.system.installation import Installation, done, httpca


def test_refused_messages_are_listed_shown_and_dropped(installation: Installation) -> None:
    side = installation.directory / "signer"
    publisher = open_publisher(installation.broker)
    for octets in (b"rubbish", b"e30.e30.e30"):
        publisher.publish("signer.policy", octets)
    publisher.close()

    while len(found := _list(installation)) < 2:
        pass
    assert sorted(letter["reason"] for letter in found) == ["bad-header", "not-a-jws"]
    assert _list(installation) == found  # looking takes nothing away

    first = found[0]
    shown = json.loads(
        done(httpca("dead-letters", "show", first["id"], "--json", "--config", side))
    )
    assert (shown["queue"], shown["claims"]) == ("signer.policy", {})
    assert shown["refused_at"]
    done(httpca("dead-letters", "drop", first["id"], "--config", side))
    assert _list(installation) == found[1:]
    assert httpca("dead-letters", "drop", first["id"], "--config", side).returncode == 3
    done(httpca("dead-letters", "drop", "--all", "--config", side))
    assert _list(installation) == []


def test_one_says_which_to_drop(installation: Installation) -> None:
    refused = httpca("dead-letters", "drop", "--config", installation.directory / "signer")

    assert refused.returncode == 2
    assert "--all" in refused.stderr


def _list(installation: Installation) -> list[dict[str, str]]:
    side = installation.directory / "signer"
    found = json.loads(done(httpca("dead-letters", "list", "--json", "--config", side)))
    letters: list[dict[str, str]] = found["dead_letters"]
    return letters
