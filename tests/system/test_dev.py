"""`httpca dev`, as `make run` starts it."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.system.dev import Dev
from tests.system.installation import done, httpca


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    made = Dev(tmp_path / "ca")
    made.start()
    yield made
    made.close()


def test_it_says_where_it_is_and_how_to_submit_and_to_approve(dev: Dev) -> None:
    assert dev.url in dev.welcome
    assert str(dev.folder) in dev.welcome
    assert re.search(r"curl .*\\\n.*/api/v1/requests\?profile=server", dev.welcome)
    assert re.search(r"httpca approve --config .*/approvers/approver'?\n", dev.welcome)


def test_the_first_policy_signs_rejects_and_holds_by_name(dev: Dev) -> None:
    ends = {
        "host.test": "issued",
        "host.internal": "issued",
        "host.localhost": "issued",
        "host.invalid": "rejected",
    }
    submitted = {name: dev.submit(name) for name in ends}
    assert {name: dev.state(one, 60)["state"] for name, one in submitted.items()} == ends
    held = dev.submit("host.example.com")
    while (found := dev.state(held)["state"]) in ("submitted", "relayed"):
        pass
    assert found == "waiting_for_approval"


def test_an_approver_decides_from_a_second_terminal(dev: Dev) -> None:
    request = dev.submit("host.example.com")
    config = dev.folder / "approvers" / "approver"
    while dev.state(request)["state"] in ("submitted", "relayed"):
        pass

    printed = done(httpca("approve", "accept", request, "--config", config, "--json"))

    assert json.loads(printed)["results"][0]["result"] == "counted"
    assert dev.state(request, 60)["state"] == "issued"
    assert list((config / "spool").iterdir()) == []


def test_ctrl_c_stops_it_and_started_again_it_goes_on_where_it_was(dev: Dev) -> None:
    issued, waiting = dev.submit("host.test"), dev.submit("host.example.com")
    certificate = dev.state(issued, 60)["certificate"]
    late = [dev.submit(f"late-{number}.test") for number in range(20)]

    code, said = dev.stop()
    assert (code, "stopped" in said) == (0, True)
    dev.start()

    assert dev.state(issued)["certificate"] == certificate
    assert {dev.state(one, 60)["state"] for one in late} == {"issued"}
    config = dev.folder / "approvers" / "approver"
    done(httpca("approve", "accept", waiting, "--config", config))
    assert dev.state(waiting, 60)["state"] == "issued"


def test_killed_and_started_again_it_has_lost_nothing(dev: Dev) -> None:
    submitted = [dev.submit(f"host-{number}.test") for number in range(20)]
    dev.stop(signal.SIGKILL)
    dev.start()

    assert {dev.state(one, 60)["state"] for one in submitted} == {"issued"}


def test_a_decision_made_while_it_is_down_is_taken_up_when_it_starts(dev: Dev) -> None:
    request = dev.submit("host.example.com")
    while dev.state(request)["state"] in ("submitted", "relayed"):
        pass
    dev.stop()
    config = dev.folder / "approvers" / "approver"

    unconfirmed = httpca("approve", "accept", request, "--timeout", "1", "--config", config)
    assert unconfirmed.returncode == 5, unconfirmed.stdout + unconfirmed.stderr
    dev.start()

    assert dev.state(request, 60)["state"] == "issued"


def test_a_second_one_in_the_same_folder_is_refused(dev: Dev) -> None:
    second = httpca("dev", "--dir", dev.folder, "--port", str(free_port()))

    assert second.returncode == 1
    assert "another `httpca dev` is at work" in second.stderr


def test_a_port_that_is_taken_is_said_so(dev: Dev, tmp_path: Path) -> None:
    second = httpca("dev", "--dir", tmp_path / "other", "--port", str(dev.port))

    assert second.returncode == 1
    assert str(dev.port) in second.stderr
    assert "Traceback" not in second.stderr
