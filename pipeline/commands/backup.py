"""`httpca backup` and `httpca restore`: a role's folder and its database, together in one file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands.options import answer, config_option, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.dml import UpdateBase

    from pipeline.backup.manifest import Manifest
    from pipeline.database.migrate import Side

_FILE = click.Path(path_type=Path, dir_okay=False)

AFTERWARDS = {
    "web": (
        "Let it learn what it forgot: httpca signer export on the signer side, then httpca reconcile.",
        "Tokens that were revoked since the backup are valid again: look at httpca token list.",
    ),
    "signer": (
        "Signing is suspended until: httpca export on the web side, httpca signer reconcile here.",
        "Certificates that were taken out of trusted/ since the backup are trusted again: look.",
    ),
    "approver": ("What lies in its spool is sent again, which is harmless.",),
}
"""What is to be done after a restore, by role."""


@click.command()
@click.argument("file", type=_FILE)
@config_option("DIR/SIDE")
@json_option
def backup(file: Path, directory: Path, as_json: bool) -> None:
    """Write folder and database of a side to the new FILE, while the side goes on.

    Keys go into it as they lie in the folder: the CA key is as encrypted there as it was. FILE can be
    read by its owner only. Also for an approver's folder.
    """
    from pipeline.backup.save import save
    from pipeline.clock import now
    from settings.role import read_role

    role = read_role(directory)
    manifest = save(directory, role, _database_of(role, directory), file, now())
    lines = [f"{file} holds {_what(manifest)}, {file.stat().st_size} bytes."]
    if manifest.plain_keys:
        lines.append(
            f"Not encrypted in it: {', '.join(manifest.plain_keys)}. Who can read the file has these"
            " keys: encrypt it, or keep it where nobody else reads."
        )
    found = _facts(file, manifest) | {"size": file.stat().st_size}
    answer(as_json, found, "\n".join(lines))


@click.command()
@click.argument("file", type=_FILE)
@click.option(
    "--config",
    "directory",
    metavar="DIR/SIDE",
    type=click.Path(path_type=Path),
    help="The side's folder, which is made; it must not exist.",
)
@click.option(
    "--database-only", is_flag=True, help="Restore the database; the folder is there, and stays."
)
@click.option("--check", is_flag=True, help="Only check that FILE is whole; nothing is restored.")
@json_option
def restore(
    file: Path, directory: Path | None, database_only: bool, check: bool, as_json: bool
) -> None:
    """Restore folder and database of a side from FILE. Stop the side's processes first.

    Nothing is overwritten: the folder must not exist, and the database must be empty. Everything is
    checked before anything is written. A signer starts suspended.
    """
    from pipeline.backup import archive
    from pipeline.backup import restore as restoring

    if check:
        manifest = archive.unpack(file)
        answer(as_json, _facts(file, manifest), f"{file} is whole: {_what(manifest)}.")
        return
    if directory is None:
        raise click.UsageError("--config says where to; or only --check the file")
    wanted = restoring.Wanted(file, directory, database_only)
    manifest = restoring.restore(wanted, _database_of, _then)
    lines = [f"Restored {_what(manifest, folder=not database_only)}."]
    if manifest.database is not None:
        lines.append(
            f"Bring it up to date: httpca migrate --config {directory}, or the folder"
            f" owner/{manifest.role} where accounts have rights of their own."
        )
    answer(
        as_json,
        _facts(file, manifest) | {"suspended": manifest.role == "signer"},
        "\n".join([*lines, *AFTERWARDS.get(manifest.role, ())]),
    )


def _database_of(role: str, directory: Path) -> "tuple[Side, str] | None":
    """Return side and URL of a role's database, of the roles that have one."""
    if role == "web":
        from settings.web import load_web

        return "web", load_web(directory).database
    if role == "signer":
        from settings.signer import load_signer

        return "signer", load_signer(directory).database
    return None


def _then(manifest: "Manifest") -> "Sequence[UpdateBase]":
    """Return what is to be done in a restored database before anybody sees it."""
    from pipeline.clock import now
    from pipeline.commands.operators import operator

    if manifest.role == "signer":
        from pipeline.signer.restored import suspend

        return suspend(manifest.made_at, operator(), now())
    from pipeline.web.restored import note

    return note(manifest.made_at, operator(), now())


def _what(manifest: "Manifest", *, folder: bool = True) -> str:
    role = f"of role {manifest.role}"
    parts = [f"the folder {role} ({len(manifest.files)} files)"] if folder else []
    if manifest.database is not None:
        whose = "its database" if folder else f"the database {role}"
        parts.append(f"{whose} at revision {manifest.database.revision}")
    return f"{' and '.join(parts)}, as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC"


def _facts(file: Path, manifest: "Manifest") -> dict[str, Any]:
    return {
        "file": str(file),
        "role": manifest.role,
        "made_at": manifest.made_at,
        "httpca": manifest.httpca,
        "files": sorted(manifest.files),
        "revision": manifest.database.revision if manifest.database else None,
        "plain_keys": manifest.plain_keys,
    }
