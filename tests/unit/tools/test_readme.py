"""`make readme`: what its comments say, and that it fails when the README is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.readme.blocks import Block, ReadmeError, Skip, Stop, ports, read

ROOT = Path(__file__).resolve().parents[3]
README = ROOT / "README.md"


def block(comment: str, *lines: str) -> str:
    return "\n".join([f"<!-- readme: {comment} -->", "```sh", *lines, "```", ""])


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run a README as `make readme` runs ours."""
    file = folder / "README.md"
    file.write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "tools.readme", file],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_our_readme_says_how_to_run_each_of_its_blocks() -> None:
    steps = read(README.read_text())
    assert len(steps) > 10
    assert 8000 in ports(steps)


def test_every_file_that_our_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", README.read_text())
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert links
    assert not missing


def test_steps_are_read_in_order_and_other_blocks_are_shown_only() -> None:
    text = "\n".join(
        [
            block('terminal=1 background until="up" until="now" seconds=5', "serve --port 1"),
            "```json\n{}\n```",
            block('skip="too slow"', "make test"),
            '<!-- readme: stop terminal=1 expect="bye" -->',
        ]
    )
    assert read(text) == [
        Block(2, "1", "serve --port 1\n", 5.0, until=("up", "now"), background=True),
        Skip(10, "make test", "too slow"),
        Stop(14, "1", expect=("bye",)),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```sh\nls\n```", "line 1: this block has no comment"),
        ("<!-- readme: terminal=1 -->\ntext\n", "line 1: no ```sh block follows"),
        ("<!-- readme: terminal=1 -->\n", "line 1: no ```sh block follows"),
        ("<!-- readme: terminal=1 -->\n```sh\nls\n", "line 2: this block has no end"),
        (block("expect=x", "ls"), "line 1: in which terminal"),
        (block("terminal=1 expekt=x", "ls"), "line 1: not understood: expekt"),
        (block("terminal=1 until=x", "ls"), "line 1: background and until go together"),
        (block("terminal=1 background", "ls"), "line 1: background and until go together"),
        (block("terminal=1 seconds=soon", "ls"), "line 1: seconds is no number"),
    ],
)
def test_a_comment_that_is_not_right_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ReadmeError, match=re.escape(problem)):
        read(text)


def test_a_terminal_keeps_its_folder_and_variables_and_each_has_its_own(tmp_path: Path) -> None:
    text = block("terminal=1", "mkdir sub", "cd sub", "greeting=hello")
    text += block('terminal=2 expect="none"', 'echo "${greeting:-none}"')
    text += block('terminal=1 expect="hello in sub"', 'echo "$greeting in ${PWD##*/}"')
    done = run(tmp_path, text)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("4 passed, 0 failed\n")


def test_what_runs_in_the_background_is_stopped_by_ctrl_c(tmp_path: Path) -> None:
    program = "trap 'echo bye; exit 0' INT; echo up; while :; do sleep 0.1; done"
    text = block('terminal=1 background until="up"', program)
    done = run(tmp_path, f'{text}<!-- readme: stop terminal=1 expect="bye" -->\n')
    assert done.returncode == 0, done.stdout + done.stderr
    # Never stopped, it is stopped at the end.
    done = run(tmp_path, text)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ctrl-C at the end" in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (block("terminal=1", "false", "true"), "ended with 1"),
        (block("terminal=1", "false | true"), "ended with 1"),
        (block("terminal=1", 'echo "$missing"'), "unbound variable"),
        (block('terminal=1 expect="yes"', "echo no"), "did not print 'yes'"),
        (block('terminal=1 background until="up"', "echo down"), "ended before it printed 'up'"),
        (
            block('terminal=1 background until="up" seconds=1', "exec sleep 30"),
            "did not print 'up' within 1 s",
        ),
        (
            block('terminal=1 background until="up"', "echo up; sleep 0.2")
            + block("terminal=2", "sleep 1"),
            "what ran in terminal 1 has ended by itself",
        ),
        ("<!-- readme: stop terminal=1 -->\n", "nothing runs in this terminal"),
    ],
)
def test_a_step_that_goes_wrong_fails_and_ends_the_run(
    tmp_path: Path, text: str, said: str
) -> None:
    done = run(tmp_path, text + block("terminal=3", "echo after"))
    assert done.returncode == 1
    assert said in done.stdout
    assert "not run" in done.stdout
    assert re.search(r"[1-9] failed\n$", done.stdout)


def test_a_process_that_is_left_running_is_named_and_killed(tmp_path: Path) -> None:
    left = "setsid sleep 987 </dev/null >/dev/null 2>&1 &"
    done = run(tmp_path, block("terminal=1", left, 'echo "$!" >"$TMPDIR/../../pid"'))
    assert done.returncode == 1
    assert "left running" in done.stdout
    assert "sleep 987" in done.stdout
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_an_empty_home_and_nothing_of_this_checkout_is_in_the_environment(tmp_path: Path) -> None:
    text = block("terminal=1", 'ls -A "$HOME" | wc -l', "env | sort")
    done = run(tmp_path, text)
    assert done.returncode == 0, done.stdout
    assert "  1| 0\n" in done.stdout
    names = set(re.findall(r"^  1\| (\w+)=", done.stdout, re.MULTILINE))
    by_bash = {"OLDPWD", "PWD", "SHLVL", "_"}
    assert names - by_bash == {"HOME", "LANG", "PATH", "PIP_CACHE_DIR", "TERM", "TMPDIR"}
