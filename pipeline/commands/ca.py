"""`httpca ca`: the issuing CAs of a signer: look at them, and bring in the next."""

from pathlib import Path
from typing import Any

import click

from pipeline.clock import now
from pipeline.commands.options import answer, config_option, json_option

_passphrase = click.option(
    "--passphrase",
    metavar="SOURCE",
    default="",
    help="Where the key's passphrase or the token's PIN is: file:PATH, credential:NAME, prompt.",
)


@click.group()
def ca() -> None:
    """Look at the issuing CAs, or bring in another: of our root, or of somebody else's."""


@ca.command("list")
@config_option("DIR/signer")
@json_option
def list_(directory: Path, as_json: bool) -> None:
    """List the issuing CAs that the settings name. Their keys are left alone."""
    from pipeline.run.signer_side import load_issuers
    from settings.signer import load_signer

    issuers = load_issuers(load_signer(directory), directory, now, signs=False)
    found: list[dict[str, Any]] = [
        {
            "name": issuer.name,
            "subject": issuer.certificate.subject.rfc4514_string(),
            "key": issuer.kind,
            "not_after": issuer.not_after,
            "retiring": issuer.retiring,
            "fingerprint": issuer.fingerprint,
        }
        for issuer in issuers.all()
    ]
    lines = [
        f"{one['name']}: {one['subject']}, {one['key']}, until {one['not_after']:%Y-%m-%d}"
        + (", retiring" if one["retiring"] else "")
        for one in found
    ]
    answer(as_json, found, "\n".join(lines))


@ca.command()
@config_option("DIR/signer")
@json_option
def check(directory: Path, as_json: bool) -> None:
    """Load every issuing CA with its key, as a signer worker does."""
    from pipeline.run.signer_side import load_issuers
    from settings.signer import load_signer

    issuers = load_issuers(load_signer(directory), directory, now, signs=True)
    names = [issuer.name for issuer in issuers.all()]
    answer(as_json, {"issuers": names}, f"Right, with their keys: {', '.join(names)}.")


@ca.command()
@click.argument("name")
@config_option("DIR/signer")
@click.option(
    "--subject", required=True, metavar="DN", help='As in RFC 4514: "CN=Issuing CA 2,O=Example".'
)
@click.option("--key", "kind", metavar="KIND", default="ec:P-256", show_default=True)
@click.option("--token", default="", metavar="URI", help="Make the key in this token (pkcs11:...).")
@_passphrase
@json_option
def request(
    name: str,
    directory: Path,
    subject: str,
    kind: str,
    token: str,
    passphrase: str,
    as_json: bool,
) -> None:
    """Make a key and a CSR for an issuing CA.

    The owner of a root signs it, and then `httpca ca import` takes the certificate.
    """
    from cryptography import x509

    from pipeline.setup.ca_request import make_request
    from pipeline.setup.issuing import KeyWish, make_csr
    from pipeline.signer.keys.file import generate

    try:
        read = x509.Name.from_rfc4514_string(subject)
        # No key is left behind for a name that cannot be written, such as a country of other letters.
        make_request(generate("ec:P-256"), read)
    except ValueError:
        read = x509.Name([])
    if not list(read):  # RFC 5280 section 4.1.2.4: a CA has a name
        raise click.BadParameter(
            "is no name as in RFC 4514, such as CN=Issuing CA 2,O=Example", param_hint="--subject"
        )
    source = _checked(passphrase)
    csr = make_csr(directory, name, read, KeyWish(kind, token, source))
    key = f" --key '{token}'" if token else ""
    key += f" --passphrase '{source}'" if source else ""
    sentence = (
        f"Let the owner of the root sign {csr}, and then:\n"
        f"  httpca ca import {name} CERTIFICATE --root ROOT --config {directory}{key}"
    )
    answer(as_json, {"csr": str(csr)}, sentence)


@ca.command("import")
@click.argument("name")
@click.argument("certificate", type=click.Path(path_type=Path))
@click.option(
    "--root", required=True, type=click.Path(path_type=Path), help="The root's certificate (PEM)."
)
@config_option("DIR/signer")
@click.option(
    "--key", default="", metavar="FILE", help="Of an existing CA; or pkcs11:...  [default: NAME's]"
)
@_passphrase
@json_option
def import_(
    name: str,
    certificate: Path,
    root: Path,
    directory: Path,
    key: str,
    passphrase: str,
    as_json: bool,
) -> None:
    """Check an issuing CA's certificate and key, and take them in.

    CERTIFICATE is PEM, with those above it up to below the root. Both are put into the folder.
    """
    from pipeline.setup.issuing import as_toml, bring_in, settings_for
    from pipeline.signer.keys.uri import SCHEME
    from settings.issuer import THE_ONE
    from settings.signer import load_signer

    settings = load_signer(directory)
    place = key if not key or key.startswith(SCHEME) else str(Path(key).resolve())
    wanted = settings_for(name, place, _checked(passphrase))
    found = bring_in(directory, wanted, certificate, root, now())
    listed = settings_for(name, key if key.startswith(SCHEME) else "", wanted.passphrase)
    tables = [as_toml(one) for one in ([] if settings.issuers else [THE_ONE])] + [as_toml(listed)]
    sentence = (
        f"{found.certificate.subject.rfc4514_string()} is in {directory}/ca. The signer works with"
        f" it when {directory}/settings.toml lists it and its processes are started anew; the first"
        " that is not retiring takes what is new:\n\n" + "\n".join(tables).rstrip()
    )
    answer(as_json, {"name": name, "fingerprint": found.fingerprint}, sentence)


def _checked(source: str) -> str:
    """Return a source with an absolute path: the settings' paths are below another folder."""
    from settings.passphrase import SOURCES, is_source

    if source and not is_source(source):
        raise click.BadParameter(f"allowed are {SOURCES}", param_hint="--passphrase")
    if source.startswith("file:"):
        return f"file:{Path(source.removeprefix('file:')).resolve()}"
    return source
