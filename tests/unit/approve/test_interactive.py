"""One walk through `httpca approve` in a real terminal of 80 by 24."""

import re
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.approve.waiting import get
from pipeline.setup.files import write_key
from pipeline.states import State
from tests.terminal import ENVIRONMENT, PROMPT, Terminal
from tests.unit.approve.asked import NOON, make_csr
from tests.unit.approve.player import play
from tests.unit.approve.world import World, decided

COMMAND = (
    "import sys; sys.argv[0] = 'approve'; from pipeline.approve.command import approve; approve()"
)


@pytest.fixture
def terminal(world: World) -> Iterator[Callable[[], Terminal]]:
    opened: list[Terminal] = []

    def open_(**environment: str) -> Terminal:
        folder = world.folder / "approvers" / "approver"
        config = folder if folder.exists() else world.approver()
        command = [sys.executable, "-c", COMMAND, "--config", str(config), "--timeout", "10"]
        opened.append(Terminal(command, ENVIRONMENT | environment))
        return opened[-1]

    yield open_
    for one in opened:
        one.child.close(force=True)


def test_a_walk_through_all_that_waits(world: World, terminal: Callable[[], Terminal]) -> None:
    hostile = world.add(
        make_csr(["a.example.com"]), requester="\x1b[2J\x1b[31mroot", comment="[red]x[/]\nline"
    )
    rejected = world.add(make_csr(["b.example.com"]), created_at=NOON + timedelta(hours=1))
    skipped = world.add(make_csr(["c.example.com"]), created_at=NOON + timedelta(hours=2))
    contested = world.add(make_csr(["d.example.com"]), created_at=NOON + timedelta(hours=3))
    left = world.add(make_csr(["e.example.com"]), created_at=NOON + timedelta(hours=4))
    at_terminal = terminal()

    # The whole request is on one screen, and the requester's text stands still.
    text = at_terminal.until_asked()
    assert "Request 1 (5 waiting) ─" in text
    assert f"Id        {hostile}" in at_terminal.lines
    assert r"Asked by  “\x1b[2J\x1b[31mroot”, by api (the web side's word)" in at_terminal.lines
    assert r"Comment   “[red]x[/]\x0aline”" in at_terminal.lines
    assert "\x1b[31mroot" not in at_terminal.raw

    # The CSR is shown on demand.
    at_terminal.press("c")
    at_terminal.until_shown("A decision on all this signs the digest")
    assert "-----END CERTIFICATE REQUEST-----" in at_terminal.until_asked()

    with play(world, world.folder / "approvers" / "approver" / "spool") as effects:
        at_terminal.press("a")
        at_terminal.until_shown("Accepted: your decision is recorded and stands.")
        at_terminal.until_shown("b.example.com")
        at_terminal.until_asked()

        # A rejection without a reason goes back to the question; Enter after a key is no key.
        at_terminal.press("r\r")
        at_terminal.until_shown("Reason, for the requester (empty: back) >")
        at_terminal.press("\r")
        at_terminal.until_shown("Not rejected.")
        at_terminal.until_asked()
        at_terminal.press("r")
        at_terminal.until_shown("Reason, for the requester (empty: back) >")
        at_terminal.press("unknown host\r")
        at_terminal.until_shown("Rejected: your decision is recorded and stands.")

        at_terminal.until_shown("c.example.com")
        at_terminal.until_asked()
        at_terminal.press("s")

        # Another approver is faster: who decided what and when is said, and nothing is sent.
        at_terminal.until_shown("d.example.com")
        at_terminal.until_asked()
        world.record(decided(contested, "reject", "not this one"), "other")
        at_terminal.press("a")
        at_terminal.until_shown(
            "It was rejected by other on 2026-03-01 12:00 UTC: “not this one” Nothing was sent."
        )
        at_terminal.until_shown("e.example.com")
        at_terminal.until_asked()
        at_terminal.press("q")
        assert at_terminal.code() == 0
    assert "Done: 1 accepted, 1 rejected, 1 skipped, 1 decided by others." in at_terminal.text
    assert effects == ["counted", "counted"]
    states = {}
    for request_id in (hostile, rejected, skipped, contested, left):
        request = get(world.database, request_id)
        assert request is not None
        states[request_id] = request.state
    assert states == {
        hostile: State.WAITING_FOR_SIGNATURE,
        rejected: State.REJECTED,
        skipped: State.WAITING_FOR_APPROVAL,
        contested: State.REJECTED,
        left: State.WAITING_FOR_APPROVAL,
    }
    request = get(world.database, rejected)
    assert request is not None
    assert request.decisions[0].reason == "unknown host"


@pytest.mark.parametrize(
    ("environment", "looks"),
    [
        ({"NO_COLOR": "1"}, {"\x1b[1m", "\x1b[2m", "\x1b[0m"}),  # bold and dim are no colours
        ({"TERM": "dumb"}, set()),
    ],
)
def test_without_colour_everything_is_said_all_the_same(
    world: World,
    terminal: Callable[..., Terminal],
    environment: dict[str, str],
    looks: set[str],
) -> None:
    world.add(make_csr(["*.example.com"]))
    at_terminal = terminal(**environment)
    at_terminal.until_asked()
    assert "! *.example.com stands for every host there." in at_terminal.lines
    at_terminal.press("h")
    at_terminal.until_shown("never issued")
    at_terminal.until_asked()
    at_terminal.press("q")
    assert at_terminal.code() == 0
    assert set(re.findall(r"\x1b[^A-Za-z]*[A-Za-z]?", at_terminal.raw)) == looks


def test_what_was_typed_ahead_decides_nothing(
    world: World, terminal: Callable[[], Terminal]
) -> None:
    request_id = world.add()
    at_terminal = terminal()
    at_terminal.press("aaaa")  # before anything is on the screen
    at_terminal.until_asked()
    at_terminal.press("q")
    assert at_terminal.code() == 0
    request = get(world.database, request_id)
    assert request is not None
    assert request.decisions == ()
    assert list((world.folder / "approvers" / "approver" / "spool").iterdir()) == []


def test_a_key_that_means_nothing_is_passed_over(
    world: World, terminal: Callable[[], Terminal]
) -> None:
    request_id = world.add()
    at_terminal = terminal()
    at_terminal.until_asked()
    at_terminal.press("x\r")
    at_terminal.press("\x04")  # which counts also when it is read together with what came before
    assert at_terminal.code() == 0
    assert at_terminal.raw.count(PROMPT) == 1
    request = get(world.database, request_id)
    assert request is not None
    assert request.decisions == ()


@pytest.mark.parametrize("key", ["\x03", "\x04", "q", "Q\r"])
def test_ctrl_c_and_ctrl_d_quit_as_q_does(
    world: World, terminal: Callable[[], Terminal], key: str
) -> None:
    world.add()
    at_terminal = terminal()
    at_terminal.until_asked()
    at_terminal.press(key)
    assert at_terminal.code() == 0
    assert "Traceback" not in at_terminal.text


def test_ctrl_c_while_waiting_keeps_the_decision_and_ends_with_5(
    world: World, terminal: Callable[[], Terminal]
) -> None:
    world.add()
    at_terminal = terminal()
    at_terminal.until_asked()
    at_terminal.press("a")
    at_terminal.until_shown("Signed, waiting for the signer …")
    at_terminal.press("\x03")
    at_terminal.until_shown("Your decision stays in the spool")
    assert at_terminal.code() == 5
    (file,) = (world.folder / "approvers" / "approver" / "spool").iterdir()
    assert re.fullmatch(r"[0-9a-f-]{36}\.jws", file.name)


def test_nothing_waits(terminal: Callable[[], Terminal]) -> None:
    at_terminal = terminal()
    assert at_terminal.code() == 0
    assert at_terminal.lines[0] == "Nothing waits for approval."


def test_the_passphrase_of_an_encrypted_key_is_asked_for_once_and_never_shown(
    world: World, terminal: Callable[[], Terminal]
) -> None:
    for hour in (0, 1):
        world.add(make_csr([f"{hour}.example.com"]), created_at=NOON + timedelta(hours=hour))
    folder = world.approver()
    key = load_pem_private_key((folder / "message.key").read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    (folder / "message.key").unlink()
    write_key(folder / "message.key", key, b"open sesame")
    at_terminal = terminal()

    with play(world, folder / "spool") as effects:
        at_terminal.until_asked()
        at_terminal.press("a")
        at_terminal.until_shown("Passphrase of your message key:")
        at_terminal.press("open sesame\r")
        at_terminal.until_shown("Accepted: your decision is recorded")
        at_terminal.until_asked()
        at_terminal.press("a")
        assert at_terminal.code() == 0
    assert effects == ["counted", "counted"]
    assert "sesame" not in at_terminal.raw
