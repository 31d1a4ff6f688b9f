"""Each process loads its own side's settings only, and ends when it is told to."""

import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.system.installation import COMMANDS, ROOT, done, environment, httpca

PROCESSES = ["web", "web-worker", "web-clock", "signer-worker", "signer-clock"]


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="httpca-processes-") as folder:
        made = Path(folder) / "httpca"
        done(httpca("setup", made, "--broker", f"amqp://guest:guest@127.0.0.1:{free_port()}/"))
        for side in ("web", "signer"):
            done(httpca("migrate", "--config", made / side))
        yield made


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_refuses_the_other_side_s_settings(process: str, directory: Path) -> None:
    other = "signer" if process.startswith("web") else "web"

    refused = httpca("run", process, "--config", directory / other)

    assert refused.returncode == 1
    assert "settings.toml: role" in refused.stderr


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_starts_without_its_broker_and_ends_when_told_to(
    process: str, directory: Path
) -> None:
    side = process.partition("-")[0]
    arguments = ["--port", str(free_port())] if process == "web" else []
    with subprocess.Popen(
        [COMMANDS / "httpca", "run", process, "--config", directory / side, *arguments],
        env=environment(),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        said = []
        for line in running.stderr:
            said.append(line)
            if any(word in line for word in ("serving", "worker-started", "clock-started")):
                break
        running.send_signal(signal.SIGTERM)
        said += running.stderr
        assert running.wait(120) == 0, "".join(said)


def test_the_in_memory_broker_is_for_dev_alone(tmp_path: Path) -> None:
    done(httpca("setup", tmp_path / "memory"))
    done(httpca("migrate", "--config", tmp_path / "memory/signer"))

    refused = httpca("run", "signer-worker", "--config", tmp_path / "memory/signer")

    assert refused.returncode == 1
    assert "broker = amqp://" in refused.stderr


def test_the_process_that_answers_http_imports_no_way_to_the_broker() -> None:
    program = (
        "import sys, pipeline.run.web; "
        "print([name for name in ('dramatiq', 'pika', 'apscheduler') if name in sys.modules])"
    )
    printed = subprocess.run(
        [COMMANDS / "python", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert printed.stdout == "[]\n"
