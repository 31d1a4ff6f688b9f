"""`httpca audit check-certificates`: check again all that was ever issued."""

import os
from datetime import datetime
from pathlib import Path

import click
import msgspec

from pipeline.commands.audit_listing import moment
from pipeline.commands.options import answer, config_option, json_option
from pipeline.commands.signer_database import signer_database
from pipeline.crypto.visible import visible
from pipeline.errors import SettingsError
from pipeline.signer.audit.check_certificates import Report
from pipeline.signer.audit.check_certificates import check_certificates as check


@click.command("check-certificates")
@config_option("DIR/signer")
@click.option("--since", type=moment, help="Only what was issued from this time on (ISO 8601).")
@click.option(
    "--policy/--no-policy",
    "with_policy",
    default=True,
    help="Whether today's policy would reject it is a finding, or does not matter.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=min(os.cpu_count() or 1, 4),
    show_default="processors, at most 4",
)
@json_option
def check_certificates(
    directory: Path, since: datetime | None, with_policy: bool, processes: int, as_json: bool
) -> int:
    """Check again all that was ever issued.

    By record, profile, today's policy, and lints. The exit code is 1 when anything was found.
    """
    with signer_database(directory) as database:
        policy = directory / "policy.toml" if with_policy else None
        if policy is not None and not policy.exists():
            raise SettingsError(policy, "", "there is no such file; without it: --no-policy")
        report = check(database, policy, since, processes)
    answer(as_json, msgspec.to_builtins(report), _sentences(report))
    return 1 if report.findings else 0


def _sentences(report: Report) -> str:
    if not report.findings:
        return f"{report.checked} certificates were checked; nothing is wrong with them."
    said = [f"{finding.kind:12} {visible(finding.sentence, 600)}" for finding in report.findings]
    if report.more:
        said.append(f"... and {report.more} more")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.by_kind.items()))
    said.append(
        f"{report.checked} certificates were checked; {report.certificates} have findings: {kinds}."
    )
    return "\n".join(said)
