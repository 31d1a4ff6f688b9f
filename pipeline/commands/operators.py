"""Who an operator is, for the audit."""

import os
import pwd


def operator() -> str:
    """Return the name of the operating system's user who runs this; behind sudo, of both."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    behind = os.environ.get("SUDO_USER", "")
    return f"{name} (sudo by {behind[:64]})" if behind else name
