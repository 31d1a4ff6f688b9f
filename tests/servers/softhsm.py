"""Tokens in software, by SoftHSM: each in a folder of the test's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

from tests.servers.process import ServerError

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
VARIABLE = "SOFTHSM2_CONF"
PIN = "a pin 1234"


class SoftHsm:
    """A folder of tokens; whoever uses them needs ``environment`` before the module is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokens = folder / "tokens"
        self.tokens.mkdir(parents=True)
        self.configuration = folder / "softhsm2.conf"
        self.configuration.write_text(
            f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        self.environment = {VARIABLE: str(self.configuration)}

    def add(self, label: str, pin: str = PIN) -> None:
        """Make a token."""
        self._util("--init-token", "--free", "--label", label, "--so-pin", "so 12345", "--pin", pin)

    def remove(self, label: str) -> None:
        """Destroy a token with all its keys."""
        self._util("--delete-token", "--token", label)

    def take_out(self) -> None:
        """Take all tokens away; :meth:`put_in` brings them back."""
        self.tokens.rename(self.folder / "taken-out")
        self.tokens.mkdir()

    def put_in(self) -> None:
        """Bring the tokens back."""
        shutil.rmtree(self.tokens)
        (self.folder / "taken-out").rename(self.tokens)

    @staticmethod
    def uri(token: str, key: str) -> str:
        """Return the URI of a key by its label."""
        return f"pkcs11:token={quote(token)};object={quote(key)}?module-path={MODULE}"

    def _util(self, *arguments: str) -> None:
        done = subprocess.run(
            ["softhsm2-util", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServerError(f"softhsm2-util {arguments[0]}: {done.stdout}{done.stderr}")
