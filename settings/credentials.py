"""Find the passphrase of a message key where a service has it: a file, or a systemd credential."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from settings.passphrase import read_passphrase

CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
"""The variable in which systemd names the folder of a service's credentials (systemd.exec(5))."""

MESSAGE: Final = "message-passphrase"
"""The credential that holds the passphrase of ``message.key``."""


def message_passphrase(
    directory: Path, file: str, environment: Mapping[str, str] = os.environ
) -> bytes | None:
    """Return the passphrase of the message key, None when there is none.

    ``file`` is the setting ``message_passphrase_file``, relative to ``directory``. When it is empty,
    the systemd credential ``message-passphrase`` is read, if there is one.

    Raises:
        SettingsError: the file cannot be read, is empty, or has several lines.
    """
    if file:
        return read_passphrase(directory / file)
    folder = environment.get(CREDENTIALS, "")
    if folder and (Path(folder) / MESSAGE).exists():
        return read_passphrase(Path(folder) / MESSAGE)
    return None
