"""Several threads that read a policy first, at once, do not crash the process."""

import subprocess
import sys
from pathlib import Path

import settings

READ_AT_ONCE = """
import sys, threading
from pathlib import Path
from pipeline.signer import policy_file

sys.setswitchinterval(1e-6)
path, together, read = Path(sys.argv[1]), threading.Barrier(6), []

def go():
    together.wait()
    read.append(policy_file.load(path).digest)

threads = [threading.Thread(target=go) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(read) == 6 and len(set(read)) == 1, read
"""


def test_a_policy_that_many_threads_read_first_is_read_by_all() -> None:
    policy = Path(settings.__file__).with_name("policy.toml")
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", READ_AT_ONCE, str(policy)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (done.returncode, done.stderr)
