"""A walk through `httpca approve` in a terminal of 80 by 24, against a running `httpca dev`.

`make picture` takes it to draw docs/approve.svg, the README's picture, anew.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import idna
import requests

from tests import factories
from tests.picture import draw, steady
from tests.system.dev import SOON, Dev
from tests.system.installation import COMMANDS, ROOT, done, httpca
from tests.terminal import ENVIRONMENT, Line, Terminal

PICTURE: Final = ROOT / "docs" / "approve.svg"
DESCRIPTION: Final = (
    "httpca approve in a terminal: a request with its names, its certificate to be, and three"
    " warnings, among them a name in Cyrillic letters that looks like “apple”; the approver presses r"
    " and gives a reason, and the signer has recorded the rejection"
)
TWIN: Final = idna.alabel("аррӏе").decode()  # noqa: RUF001 - Cyrillic, which is the point
REASON: Final = "This name imitates another one."


@dataclass
class Seen:
    """The screens of the walk, all that was written, what it ended with, and what became of it."""

    first: str
    csr: str
    history: str
    raw: str
    lines: list[Line]
    code: int | None
    accepted: dict[str, Any]
    rejected: dict[str, Any]
    skipped: dict[str, Any]


def walk(dev: Dev) -> Seen:
    """Skip one request, look closely at the next and accept it, and reject the last one."""
    tokens = {name: _token(dev, name) for name in ("build-server", "web-team")}
    skipped = _submit(dev, tokens["web-team"], "later.example.com", key="rsa:2048")
    _arrived(dev, skipped, tokens["web-team"])
    accepted = _submit(dev, tokens["build-server"], "www.example.com")
    _arrived(dev, accepted, tokens["build-server"])
    words = "For the new shop."
    rejected = _submit(
        dev, tokens["build-server"], f"{TWIN}.example", key="rsa:2048", comment=words
    )
    _arrived(dev, rejected, tokens["build-server"])
    config = dev.folder / "approvers" / "approver"
    command = [str(COMMANDS / "httpca"), "approve", "--config", str(config), "--timeout", "60"]
    terminal = Terminal(command, {**ENVIRONMENT, "PATH": f"{COMMANDS}:{ENVIRONMENT['PATH']}"})
    try:
        terminal.until_shown("Request 1 (3 waiting)")
        first = terminal.until_asked()
        terminal.press("s")
        terminal.until_shown("Request 2 (3 waiting)")
        terminal.until_asked()
        terminal.press("c")
        terminal.until_shown("A decision on all this signs the digest")
        csr = terminal.until_asked()
        terminal.press("h")
        terminal.until_shown("Certificates for its names, the newest")
        history = terminal.until_asked()
        terminal.press("a")
        terminal.until_shown("Accepted: your decision is recorded and stands.")
        _get(dev, accepted, tokens["build-server"], wait=60)
        terminal.until_shown("Request 3 (2 waiting)")
        terminal.until_asked()
        terminal.press("r")
        terminal.until_shown("Reason, for the requester (empty: back) >")
        terminal.press(f"{REASON}\r")
        terminal.until_shown("Rejected: your decision is recorded and stands.")
        code = terminal.code()
    finally:
        terminal.child.close(force=True)
    return Seen(
        first,
        csr,
        history,
        terminal.raw,
        terminal.scrolled,
        code,
        _get(dev, accepted, tokens["build-server"], wait=60),
        _get(dev, rejected, tokens["build-server"], wait=60),
        _get(dev, skipped, tokens["web-team"]),
    )


def picture(seen: Seen) -> str:
    """Return the picture of the last request and its end."""
    texts = ["".join(char.data for char in line).rstrip() for line in seen.lines]
    begin = next(number for number, text in enumerate(texts) if text.startswith("Request 3 "))
    end = max(number for number, text in enumerate(texts) if text) + 1
    return draw(steady(seen.lines[begin:end]), "httpca approve", DESCRIPTION)


def _token(dev: Dev, name: str) -> str:
    return done(httpca("token", "create", name, "--config", dev.folder / "web")).strip()


def _submit(
    dev: Dev, token: str, *names: str, key: str = "ec:P-256", comment: str = ""
) -> dict[str, Any]:
    csr = factories.openssl_csr(key, tuple(f"DNS:{name}" for name in names), f"/CN={names[0]}")
    body = {"csr": csr.decode(), "profile": "server", "comment": comment}
    answer = requests.post(
        f"{dev.url}/api/v1/requests", json=body, headers=_by(token), timeout=SOON
    )
    assert answer.status_code == 202, answer.text
    submitted: dict[str, Any] = answer.json()
    return submitted


def _get(dev: Dev, request: dict[str, Any], token: str, wait: int = 0) -> dict[str, Any]:
    headers = _by(token) | ({"Prefer": f"wait={wait}"} if wait else {})
    url = f"{dev.url}/api/v1/requests/{request['id']}"
    found: dict[str, Any] = requests.get(url, headers=headers, timeout=wait + SOON).json()
    return found


def _arrived(dev: Dev, request: dict[str, Any], token: str) -> None:
    """Wait until the request is before the approvers, so that the next one comes after it."""
    while _get(dev, request, token)["state"] in ("submitted", "relayed"):
        pass


def _by(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def main() -> int:
    """Draw the picture anew."""
    with TemporaryDirectory() as folder:
        dev = Dev(Path(folder) / "ca")
        dev.start()
        try:
            PICTURE.write_text(picture(walk(dev)), "utf-8")
        finally:
            dev.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
