"""`httpca policy`: is a policy file right, and which rule would meet a CSR. Needs no database."""

import sys
from pathlib import Path

import click

from pipeline.commands.options import answer, json_option


@click.group()
def policy() -> None:
    """Check a policy, or try a CSR against it."""


@policy.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--config",
    "directory",
    metavar="DIR/signer",
    type=click.Path(path_type=Path),
    help="Check its issuing CAs, too, against the settings of this folder.",
)
@json_option
def check(file: Path, directory: Path | None, as_json: bool) -> None:
    """Check that a policy file is right. It is not used by this, and no signer is told."""
    from pipeline.signer.policy_file import load
    from settings.signer import load_signer

    found = load(file, load_signer(directory).active_issuers() if directory else None)
    rules = [{"name": rule.name, "action": rule.action} for rule in found.rules]
    answer(
        as_json,
        {
            "digest": found.digest,
            "profiles": list(found.profiles),
            "rules": rules,
            "default": found.default,
        },
        f"{file} is right: profiles {', '.join(found.profiles)}; {len(rules)} rules; what none of "
        f"them matches: {found.default}.",
    )


@policy.command()
@click.argument("csr", metavar="CSR", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--profile", default="server", show_default=True, help="The profile asked for.")
@click.option("--requester", metavar="NAME", help="Who asks.  [default: somebody anonymous]")
@click.option(
    "--source", default="api", show_default=True, help="The door the request comes in by."
)
@click.option("--policy", "file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--config",
    "directory",
    metavar="DIR/signer",
    type=click.Path(path_type=Path),
    help="Take the policy of this folder.",
)
@json_option
def explain(
    csr: Path,
    profile: str,
    requester: str | None,
    source: str,
    file: Path | None,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Say which rule would meet the CSR in a file (- for standard input), and why."""
    if (file is None) == (directory is None):
        raise click.UsageError("say which policy: --policy FILE or --config DIR/signer")
    from pipeline.commands.explanation import as_text, to_plain
    from pipeline.crypto import csr as csrs
    from pipeline.messages import MAX_CSR_BYTES
    from pipeline.signer.policy import explain as explain_verdict
    from pipeline.signer.policy_file import load

    used = load(file if file is not None else Path(str(directory)) / "policy.toml")
    with sys.stdin.buffer if str(csr) == "-" else csr.open("rb") as stream:
        read = csrs.read(stream.read(MAX_CSR_BYTES + 1))
    found = explain_verdict(used, read, profile, requester, source)
    answer(as_json, to_plain(read, found), as_text(read, found, profile))
