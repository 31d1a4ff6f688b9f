"""`httpca policy`: is a policy file right, which rule would meet a CSR, what would a new one change."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from pipeline.commands.options import answer, config_option, json_option
from pipeline.errors import HttpcaError, RequesterError


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
    from pipeline.clock import now
    from pipeline.errors import SettingsError
    from pipeline.run.signer_side import load_issuers
    from pipeline.signer.policy_file import load
    from pipeline.signer.reach import without_room
    from settings.signer import load_signer

    found = load(file, load_signer(directory).active_issuers() if directory else None)
    if directory:
        issuers = load_issuers(load_signer(directory), directory, now, signs=False)
        if problem := "; ".join(without_room(found, issuers)):
            raise SettingsError(file, "", problem)
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
    "--group", "groups", multiple=True, metavar="NAME", help="As if they were in this group, too."
)
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%dT%H:%M"]),
    metavar="YYYY-MM-DDTHH:MM",
    help="When, in UTC.  [default: now]",
)
@click.option(
    "--source", default="api", show_default=True, help="The door the request comes in by."
)
@click.option("--policy", "file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--config",
    "directory",
    metavar="DIR/signer",
    type=click.Path(path_type=Path),
    help="Take policy and issuing CA of this folder.",
)
@json_option
def explain(
    csr: Path,
    profile: str,
    requester: str | None,
    groups: tuple[str, ...],
    at: datetime | None,
    source: str,
    file: Path | None,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Say which rule would meet a CSR, and what would come of it.

    CSR is a file, or - for standard input. Limits, key_reuse and the block list do not show: they
    depend on what came before.
    """
    if (file is None) == (directory is None):
        raise click.UsageError("say which policy: --policy FILE or --config DIR/signer")
    from pipeline.clock import now
    from pipeline.commands.certificate_to_be import certificate_to_be
    from pipeline.commands.explanation import as_text, to_plain
    from pipeline.crypto import csr as csrs
    from pipeline.messages import MAX_CSR_BYTES
    from pipeline.signer.policy import explain as explain_verdict
    from pipeline.signer.policy_file import load
    from settings.signer import load_signer

    if directory is not None:
        used = load(directory / "policy.toml", load_signer(directory).active_issuers())
    else:
        used = load(Path(str(file)))
    try:
        with sys.stdin.buffer if str(csr) == "-" else csr.open("rb") as stream:
            read = csrs.read(stream.read(MAX_CSR_BYTES + 1))
    except RequesterError as error:
        if error.slug != "private-key-sent":
            raise
        # Its sentence says that the key has left its owner's hands, which it has not.
        raise HttpcaError(f"{csr} is a private key, and no CSR") from None
    for group in groups:
        if group not in used.people.groups:
            known = ", ".join(used.people.groups) or "none"
            raise click.UsageError(f"the policy has no group {group}; it has: {known}")
    moment = at.replace(tzinfo=UTC) if at is not None else now()
    found = explain_verdict(used, read, profile, requester, source, at=moment, groups=groups)
    made = certificate_to_be(read, found.verdict, moment, directory)
    answer(as_json, to_plain(read, found, made), as_text(read, found, profile, made))


@policy.command()
@click.argument("old", metavar="OLD", type=click.Path(path_type=Path))
@click.argument("new", metavar="NEW", type=click.Path(path_type=Path))
@config_option("DIR/signer")
@click.option(
    "--last",
    type=click.IntRange(1, 1_000_000),
    default=1000,
    show_default=True,
    help="How many of the newest requests are tried.",
)
@json_option
def diff(old: Path, new: Path, directory: Path, last: int, as_json: bool) -> None:
    """Compare two policies on the last real requests.

    Those are listed that would meet another verdict under policy NEW than under OLD. Each is tried as
    it came, at the time when it came. Limits do not show. Nothing is changed.
    """
    from pipeline.commands.policy_diff import as_table, to_plain
    from pipeline.commands.signer_database import signer_database
    from pipeline.signer.compare import compare
    from pipeline.signer.policy_file import load

    policies = load(old), load(new)
    with signer_database(directory) as database:
        found = compare(database, *policies, last)
    answer(as_json, to_plain(found), as_table(found))


@policy.command()
@config_option("DIR/signer")
@json_option
def status(directory: Path, as_json: bool) -> None:
    """Say which policy is in force, and what is wrong with its file."""
    from pipeline.commands.policy_status import as_sentence, to_plain
    from pipeline.commands.signer_database import signer_database
    from pipeline.signer.policy_record import in_force

    with signer_database(directory) as database:
        row = in_force(database)
    answer(as_json, to_plain(row), as_sentence(row))
