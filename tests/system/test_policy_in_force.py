"""A running signer: a wrong policy file changes and stops nothing, and approvers are reminded."""

import json
import stat
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.system.dev import Dev
from tests.system.installation import done, httpca
from tests.waiting import wait_until

REMINDED = """
[[rules]]
name = "reminded"
every_name = ["*.example.com"]
action = "approve"
remind_after = "1s"
"""

WRONG = """
[[rules]]
name = "typed in haste"
action = "sing"
"""

UNREACHABLE = """
[[rules]]
name = "five of one"
action = "approve"
quorum = 5
"""

STRICTER = """
[[rules]]
name = "not any more"
every_name = ["*.test"]
action = "reject"
reason = "Names under .test are not issued any more."
"""


class Hooks:
    """A command and a webhook of an operator, and what both were told."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "told"
        self.command = folder / "tell"
        self.command.write_text(f"#!/bin/sh\ncat >> {self.out}; echo >> {self.out}\n")
        self.command.chmod(self.command.stat().st_mode | stat.S_IXUSR)
        self.posted: list[Any] = []
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                octets = self.rfile.read(int(self.headers["Content-Length"]))
                hooks.posted.append((self.path, json.loads(octets)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def webhook(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/approvers"

    @property
    def run(self) -> list[Any]:
        if not self.out.exists():
            return []
        return [json.loads(line) for line in self.out.read_text("utf-8").splitlines() if line]

    @property
    def reminded(self) -> list[set[str]]:
        """The requests of which each run of the command told."""
        return [{one["id"] for one in told["requests"]} for told in self.run]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooks]:
    made = Hooks(tmp_path_factory.mktemp("hooks"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory, hooks: Hooks) -> Iterator[Dev]:
    made = Dev(tmp_path_factory.mktemp("policy") / "ca")
    made.start()
    made.stop()
    policy, settings = (made.folder / "signer" / name for name in ("policy.toml", "settings.toml"))
    policy.write_text(policy.read_text("utf-8") + REMINDED, "utf-8")
    reminders = (
        f'\n[reminders]\ncommand = ["{hooks.command}"]\nwebhook = "{hooks.webhook}"\n'
        "\n[clock]\nremind = 0.2\n"
    )
    settings.write_text(settings.read_text("utf-8") + reminders, "utf-8")
    made.start()
    yield made
    made.close()


def status(dev: Dev) -> dict[str, Any]:
    printed = done(httpca("policy", "status", "--config", dev.folder / "signer", "--json"))
    found: dict[str, Any] = json.loads(printed)
    return found


def put(file: Path, text: str) -> None:
    """Put a file in place as a whole: else a signer may notice one that is half written."""
    draft = file.with_suffix(".draft")
    draft.write_text(text, "utf-8")
    draft.rename(file)


def has_problem(dev: Dev, sentence: str) -> bool:
    return sentence in (status(dev)["problem"] or "")


def decide(dev: Dev, request: str) -> None:
    done(httpca("approve", "accept", request, "--config", dev.folder / "approvers" / "approver"))
    assert dev.state(request, 60)["state"] == "issued"


def test_command_and_webhook_are_told_again_and_again_until_it_is_decided(
    dev: Dev, hooks: Hooks
) -> None:
    request = dev.submit("www.example.com")
    wait_until(lambda: len(hooks.run) >= 2 and len(hooks.posted) >= 2)
    assert hooks.posted[0] == ("/approvers", hooks.run[0])
    (told,) = hooks.run[0]["requests"]
    assert hooks.run[0]["event"] == "requests-wait"
    assert (told["id"], told["rule"], told["names"]) == (
        request,
        "reminded",
        ["DNS:www.example.com"],
    )
    decide(dev, request)
    # Reminders come one after the other: those of the next one come after any that was under way.
    other = dev.submit("mail.example.com")
    wait_until(lambda: sum(other in ids for ids in hooks.reminded) >= 2)
    assert hooks.reminded[-1] == {other}
    decide(dev, other)


def test_a_policy_file_that_is_wrong_leaves_the_old_one_in_force(dev: Dev) -> None:
    file = dev.folder / "signer" / "policy.toml"
    right, before = file.read_text("utf-8"), status(dev)
    line = right.count("\n") + WRONG[: WRONG.index("action")].count("\n") + 1
    for addition, sentence in (
        (WRONG, f"action (line {line}): found 'sing'; allowed are sign, approve, reject"),
        (UNREACHABLE, "the rule 'five of one' asks for 5 approvers, and this signer trusts 1"),
    ):
        put(file, right + addition)
        request = dev.submit("host.test")
        assert dev.state(request, 60)["state"] == "issued"
        wait_until(partial(has_problem, dev, sentence))
        assert status(dev)["digest"] == before["digest"]
        checked = httpca("policy", "check", file)
        assert (checked.returncode, "'sing'" in checked.stderr) == (
            (1, True) if addition == WRONG else (0, False)
        )

    first = right.index("\n[[rules]]")
    put(file, right[:first] + STRICTER + right[first:])
    wait_until(lambda: dev.state(dev.submit("host.test"), 60)["state"] == "rejected")
    wait_until(lambda: status(dev)["problem"] is None)
    assert status(dev)["digest"] != before["digest"]
    printed = done(
        httpca("audit", "list", "--config", dev.folder / "signer", "--json", "--limit", "1000")
    )
    entries = json.loads(printed)["entries"]
    refused = [one["details"]["problem"] for one in entries if one["event"] == "policy-refused"]
    assert len(refused) == 2
    loaded = [one["details"]["digest"] for one in entries if one["event"] == "policy-loaded"]
    assert loaded[-1] == status(dev)["digest"]
