"""`httpca audit`: look into the signer's audit, verify it, and prove what is in it."""

from pathlib import Path

import click
import msgspec
from cryptography import x509

from pipeline.clock import now
from pipeline.commands.audit_listing import as_lines, moment, plain
from pipeline.commands.check_certificates import check_certificates
from pipeline.commands.operators import operator
from pipeline.commands.options import answer, config_option, json_option
from pipeline.commands.signer_database import RequestId, signer_database
from pipeline.crypto.certificates import certificate_from_pem
from pipeline.crypto.note import NoteRefused, Verifier
from pipeline.crypto.visible import visible
from pipeline.database.advance import record
from pipeline.errors import HttpcaError, SettingsError
from pipeline.setup import audit_key
from pipeline.signer.audit import browse, proof
from pipeline.signer.audit.findings import Report
from pipeline.signer.audit.kept import LATEST, read_file
from pipeline.signer.audit.key import PUBLIC, load_verifiers
from pipeline.signer.audit.verify import Source, verify
from pipeline.signer.tables import audit as entries
from settings.signer import load_signer

NOT_YET = 5
"""The exit code when it is only too early."""


@click.group()
def audit() -> None:
    """Look into the signer's audit, verify it, and prove what is in it."""


audit.add_command(check_certificates)


@audit.command("list")
@config_option("DIR/signer")
@click.option("--request", "request_id", type=RequestId(), help="Only entries of this request.")
@click.option("--event", "events", multiple=True, help="Only these; may be given several times.")
@click.option("--since", type=moment, help="From this time on (ISO 8601; UTC unless it says).")
@click.option("--until", type=moment, help="Before this time.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@json_option
def list_(directory: Path, limit: int, as_json: bool, **wanted: object) -> None:
    """List entries, the newest last."""
    with signer_database(directory) as database:
        found = browse.entries(database, browse.Wanted(**wanted), limit)  # type: ignore[arg-type]
    answer(as_json, {"entries": [plain(row) for row in found]}, as_lines(found))


@audit.command("verify")
@config_option("DIR/signer")
@click.option(
    "--checkpoint",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Checkpoints that were kept: notes, or the JSON of the web side's list.",
)
@click.option(
    "--key", help="The log's verifier key, or a file with it; else DIR/signer/audit.vkey."
)
@json_option
def verify_(directory: Path, files: tuple[Path, ...], key: str | None, as_json: bool) -> int:
    """Prove that nothing in the log was changed.

    That is: changed, removed or inserted before any checkpoint that was kept. The exit code is 1 when
    something was.
    """
    own = directory / PUBLIC
    if key is None and not own.exists():
        raise SettingsError(own, "", "there is no such file; name the log's verifier key by --key")
    trusted = _trusted(key or str(own))
    latest = directory / load_signer(directory).checkpoints / LATEST
    kept: list[Source] = [
        (str(file), signed)
        for file in (*files, *([latest] if latest.exists() else []))
        for signed in read_file(file, trusted)
    ]
    with signer_database(directory) as database:
        report = verify(database, trusted, kept)
    found = msgspec.to_builtins(report) | {"verified": not report.findings}
    answer(as_json, found, _sentences(report))
    return 1 if report.findings else 0


@audit.command("prove")
@click.argument("wanted", metavar="REQUEST_ID|SERIAL")
@config_option("DIR/signer")
def prove(wanted: str, directory: Path) -> int:
    """Write a proof that a certificate is on record.

    It goes to standard output, for `check-proof`. The exit code is 5 when its entry is in no signed
    checkpoint yet.
    """
    with signer_database(directory) as database:
        try:
            made = proof.prove(database, wanted)
        except proof.NotYetSigned as error:
            click.echo(f"Error: {error}", err=True)
            return NOT_YET
    click.echo(msgspec.json.format(msgspec.json.encode(made)).decode())
    return 0


@audit.command("check-proof")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--key", required=True, help="The log's verifier key, or a file with it.")
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    help="The certificate (PEM) that it must be about; else the one in the proof.",
)
@json_option
def check_proof(file: Path, key: str, certificate: Path | None, as_json: bool) -> None:
    """Check a proof. Needs neither database nor network."""
    checked = proof.check(file.read_bytes(), _trusted(key))
    if certificate is not None and checked.certificate != _load(certificate):
        raise HttpcaError(f"{file}: is about another certificate than {certificate}")
    entry, head = checked.entry, checked.head
    serial = f"{checked.certificate.serial_number:040x}"
    found = {
        "serial": serial,
        "entry": entry,
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
    }
    sentence = (
        f"The certificate with serial {serial} is on record: entry {entry['id']} of {entry['at']},"
        f" request {entry['request_id']}, in the log {head.origin} of {head.size} entries."
    )
    answer(as_json, found, visible(sentence))


@audit.command("new-key")
@config_option("DIR/signer")
@json_option
def new_key(directory: Path, as_json: bool) -> None:
    """Make a key that signs checkpoints.

    Only where there is none (any more).
    """
    load_signer(directory)
    if (directory / "audit.key").exists():
        raise HttpcaError(f"{directory / 'audit.key'} exists; move it away first")
    with signer_database(directory) as database:
        made = audit_key.make(directory)
        with database.write() as connection:
            details = {"operator": operator(), "key": str(made)}
            record(connection, entries, "audit-key-made", details, now())
    answer(as_json, {"key": str(made)}, f"{made}\nRestart signer-clock to sign with it.")


def _trusted(key: str) -> list[Verifier]:
    """Return the verifier keys that are written here, or in the file of this name."""
    try:
        return [Verifier.read(key)]
    except NoteRefused:
        if not Path(key).exists():
            raise SettingsError("--key", "", "is neither a verifier key nor a file") from None
        return load_verifiers(Path(key))


def _load(file: Path) -> x509.Certificate:
    try:
        return certificate_from_pem(file.read_bytes())
    except ValueError as error:
        raise HttpcaError(f"{file}: holds no certificate in PEM") from error


def _sentences(report: Report) -> str:
    # In them is text from a database that somebody may have changed, for the eyes of who looks.
    lines = [f"WRONG ({one.kind}): {visible(one.sentence)}" for one in report.findings]
    lines += [f"Note: {visible(fork)}." for fork in report.forks]
    lines.append(
        f"{report.size} entries, root {report.root}; {report.checkpoints} checkpoints and"
        f" {report.certificates} certificates agree; {report.waiting} entries have no place yet."
    )
    if report.findings:
        lines.append(f"{len(report.findings) + report.more} things are wrong.")
    elif report.checkpoints:
        lines.append(
            "Nothing was changed, removed or inserted before the newest of these checkpoints."
        )
    else:
        lines.append("There is no checkpoint to compare with, so this proves nothing yet.")
    return "\n".join(lines)
