"""What a log must never hold: local variables, in which keys, passphrases and CSRs are. And what it
must never do: end the work that it tells of."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import structlog
from pipeline.log import configure
from settings.common import Log
import logging

configure(Log(format="{format}"), "test")

def fails(passphrase):
    csr = "-----BEGIN CERTIFICATE REQUEST-----"
    raise ZeroDivisionError("static")

for log in (structlog.get_logger("ours"), logging.getLogger("theirs")):
    try:
        fails("correct horse battery staple")
    except ZeroDivisionError:
        log.exception("it-failed")
logging.getLogger("dramatiq.worker").info("args: %s", "secret argument")
"""


@pytest.mark.parametrize("format_", ["json", "text"])
def test_a_traceback_shows_no_local_variables(format_: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{format}", format_)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr.count("it-failed") == 2
    assert "ZeroDivisionError" in done.stderr
    for secret in ("correct horse", "BEGIN CERTIFICATE", "secret argument"):
        assert secret not in done.stderr


def test_json_is_one_object_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{format}", "json")],
        capture_output=True,
        text=True,
        check=True,
    )

    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["event"] for event in events] == ["it-failed", "it-failed"]
    assert {event["process"] for event in events} == {"test"}


@pytest.mark.parametrize("format_", ["json", "text"])
def test_work_goes_on_when_its_log_cannot_be_written(format_: str) -> None:
    work = "\nfor _ in range(1000):\n    structlog.get_logger().info('went-on')\nprint('done')"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.replace("{format}", format_) + work],
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            check=False,
        )

    assert done.stdout == "done\n"
