"""The folder of a RabbitMQ node: its configuration, and the environment in which it stays there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.erlang import FRUGAL, ON_LOOPBACK
from tests.servers.ports import LOOPBACK

CONFIGURATION = """\
listeners.tcp.1 = {host}:{port}
num_acceptors.tcp = 2
default_user = {user}
default_pass = {password}
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 512MB
log.file.level = info
"""


def configure(
    folder: Path,
    *,
    port: int,
    user: str,
    password: str,
    settings: Mapping[str, object],
    plugins: Sequence[str],
) -> None:
    """Write a node's configuration; ``settings`` are further lines, by their keys."""
    (folder / "rabbitmq.conf").write_text(
        CONFIGURATION.format(host=LOOPBACK, port=port, user=user, password=password)
        + "".join(f"{key} = {value}\n" for key, value in settings.items())
    )
    (folder / "advanced.config").write_text("[].\n")
    (folder / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")
    (folder / "environment.conf").touch()


def environment(
    folder: Path, *, node: str, epmd_port: int, distribution_port: int
) -> dict[str, str]:
    """Return the environment for a node's own programs, so that they touch nothing but its folder."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_CRASH_DUMP": str(folder / "erl_crash.dump"),
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "environment.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{FRUGAL} {ON_LOOPBACK}",
        "RABBITMQ_CTL_ERL_ARGS": f"{FRUGAL} {ON_LOOPBACK}",
        # The script then becomes the server instead of waiting for it, so that the process that
        # we know is the one that counts.
        "detached": "yes",
    }
