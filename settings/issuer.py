"""Settings of one issuing CA: an ``[[issuers]]`` table in the signer's ``settings.toml``."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.errors import SettingsError
from settings.load import FILE, Settings
from settings.passphrase import SOURCES, is_source

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class IssuerSettings(Settings, frozen=True):
    """One issuing CA.

    ``certificate`` holds its certificate and those above it up to below the root, ``root`` the
    root's (PEM). ``key`` is a file (PKCS #8, PEM) or a key in a token (``pkcs11:``, RFC 7512);
    ``passphrase`` where the passphrase of the file or the PIN of the token comes from. A
    ``retiring`` one ends what it began and takes nothing new. Relative paths are below the side's
    folder.
    """

    name: str
    certificate: str
    root: str
    key: str
    passphrase: str = ""
    retiring: bool = False


THE_ONE: Final = IssuerSettings("issuing", "ca/issuing.pem", "ca/root.pem", "ca/issuing.key")
"""The issuing CA of settings that list none: the one that `httpca setup` made."""


def check_issuers(issuers: Sequence[IssuerSettings], directory: Path) -> None:
    """Check what can be known of issuing CAs without looking at their files.

    Raises:
        SettingsError: a name or a source is none, a name is used twice, or all are retiring.
    """
    file = directory / FILE
    names: set[str] = set()
    for number, issuer in enumerate(issuers):
        key = f"issuers[{number}]"
        if not NAME.fullmatch(issuer.name):
            problem = f"{issuer.name!r} is no name: 1 to 63 of a-z, 0-9, '.', '_', '-'"
            raise SettingsError(file, f"{key}.name", problem)
        if issuer.name in names:
            raise SettingsError(file, f"{key}.name", f"{issuer.name!r} is used twice")
        names.add(issuer.name)
        if issuer.passphrase and not is_source(issuer.passphrase):
            problem = f"is not where a passphrase can come from; allowed are {SOURCES}"
            raise SettingsError(file, f"{key}.passphrase", problem)
    if issuers and all(issuer.retiring for issuer in issuers):
        problem = "all of them are retiring, so nothing new could be issued; add the next one"
        raise SettingsError(file, "issuers", problem)
