"""`httpca run`: one process of a side."""

from importlib import import_module
from pathlib import Path

import click

from pipeline.commands.options import config_option

WORKERS_AND_CLOCKS = {
    "web-worker": "The web side's stages: relay, deliver.",
    "web-clock": "The web side's clock: wake-ups, sweeps, asking again.",
    "signer-worker": "The signer side's stages: policy, decide, sign, transmit.",
    "signer-clock": "The signer side's clock: wake-ups, sweeps, expiry.",
}


@click.group()
def run() -> None:
    """Run one process of a side until it is told to stop (SIGTERM or Ctrl-C)."""


@run.command()
@config_option("DIR/web")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    envvar="PORT",
    show_envvar=True,
    help="The port to serve on, instead of the one in settings.toml.",
)
@click.pass_context
def web(context: click.Context, directory: Path, port: int | None) -> None:
    """Serve the pages and the API."""
    from pipeline.run.web import main

    context.exit(main(directory, port))


def _command(process: str, sentence: str) -> click.Command:
    @click.command(process, help=sentence)
    @config_option(f"DIR/{process.partition('-')[0]}")
    @click.pass_context
    def command(context: click.Context, directory: Path) -> None:
        module = import_module(f"pipeline.run.{process.replace('-', '_')}")
        context.exit(module.main(directory))

    return command


for _process, _sentence in WORKERS_AND_CLOCKS.items():
    run.add_command(_command(_process, _sentence))
