"""Bring another issuing CA into a signer's folder: its key and CSR first, then its certificate.

Nothing that is there is ever overwritten, and no settings are changed: the signer works with an
issuing CA from when its ``settings.toml`` lists it.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.errors import HttpcaError, SettingsError
from pipeline.setup import files
from pipeline.setup.ca_request import make_request
from pipeline.signer.issuer import Issuer, load_issuer
from pipeline.signer.keys import SigningKey, TokenRefused
from pipeline.signer.keys import file as key_file
from pipeline.signer.keys.load import load_key, parse_uri, read_pin
from pipeline.signer.keys.uri import SCHEME
from settings.issuer import NAME, IssuerSettings
from settings.passphrase import read_secret

FOLDER: Final = "ca"


@dataclass(frozen=True, slots=True)
class KeyWish:
    """Which key to make: its kind, and the token's URI when it is made there (else a file).

    ``passphrase`` is where the passphrase of the file or the PIN of the token comes from; without
    one, a file is not encrypted.
    """

    kind: str
    token: str = ""
    passphrase: str = ""


def settings_for(name: str, key: str = "", passphrase: str = "") -> IssuerSettings:
    """Return the settings of an issuing CA whose files are named after it.

    Raises:
        SettingsError: it cannot have this name.
    """
    if not NAME.fullmatch(name):
        problem = "is no name for an issuing CA: 1 to 63 of a-z, 0-9, '.', '_', '-'"
        raise SettingsError(repr(name), "", problem)
    return IssuerSettings(
        name=name,
        certificate=f"{FOLDER}/{name}.pem",
        root=f"{FOLDER}/{name}.root.pem",
        key=key or f"{FOLDER}/{name}.key",
        passphrase=passphrase,
    )


def as_toml(issuer: IssuerSettings) -> str:
    """Return the ``[[issuers]]`` table of an issuing CA."""
    lines = ["[[issuers]]"]
    for field in ("name", "certificate", "root", "key", "passphrase"):
        if value := getattr(issuer, field):
            lines.append(f"{field} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def make_key(wish: KeyWish, file: Path) -> SigningKey:
    """Make a CA key, in ``file`` or in a token.

    Raises:
        SettingsError: the kind, the passphrase, or the token is not what it should be, or there is
            a key already.
        KeyUnavailable: the token is out of reach.
    """
    try:
        if wish.token:
            return _make_in_token(wish)
        made = key_file.generate(wish.kind)
    except ValueError as error:
        raise SettingsError("the kind of key", "", str(error)) from None
    if file.exists():
        raise SettingsError(file, "", "there is a key already; choose another name")
    key_file.save(file, made, _new_passphrase(wish.passphrase, file))
    return made


def make_csr(directory: Path, name: str, subject: x509.Name, wish: KeyWish) -> Path:
    """Make a key and a CSR for it in a signer's folder; return the CSR's file.

    Raises:
        SettingsError, KeyUnavailable: see :func:`make_key`.
    """
    wanted = settings_for(name)
    csr = directory / FOLDER / f"{name}.csr"
    for taken in (csr, directory / wanted.certificate):
        if taken.exists():
            raise SettingsError(taken, "", "is there already; choose another name")
    key = make_key(wish, directory / wanted.key)
    files.write(csr, make_request(key, subject).public_bytes(Encoding.PEM))
    return csr


def bring_in(
    directory: Path, wanted: IssuerSettings, certificate: Path, root: Path, now: datetime
) -> Issuer:
    """Check an issuing CA whole, and put its certificates into a signer's folder.

    ``certificate`` holds its certificate and those above it up to below the root. Of a key in a
    file of another place, a copy is made.

    Raises:
        SettingsError: key, certificate, chain or root are not what they should be, or something of
            this name is there already; nothing was written then.
        KeyUnavailable: the token is out of reach.
    """
    targets = settings_for(wanted.name)
    for target in (targets.certificate, targets.root):
        if (directory / target).exists():
            raise SettingsError(directory / target, "", "is there already; choose another name")
    key = load_key(wanted.key, wanted.passphrase, directory)
    found = load_issuer(certificate, root, key, now, name=wanted.name)
    own = directory / targets.key
    if not wanted.key.startswith(SCHEME) and (directory / wanted.key).resolve() != own.resolve():
        if own.exists():
            raise SettingsError(own, "", "is there already; choose another name")
        files.write(own, (directory / wanted.key).read_bytes())
    chain = [x509.load_der_x509_certificate(der) for der in found.chain]
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
    files.write(directory / targets.certificate, pem)
    files.write_certificate(directory / targets.root, x509.load_der_x509_certificate(found.root))
    return found


def _make_in_token(wish: KeyWish) -> SigningKey:
    # Imported when a key is in a token: most have none and load no PKCS #11.
    from pipeline.signer.keys.token import generate

    uri = parse_uri(wish.token)
    pin = read_pin(uri, wish.passphrase, Path())
    try:
        return generate(uri, pin, wish.kind)
    except TokenRefused as error:
        raise SettingsError(uri, "", str(error)) from error


def _new_passphrase(source: str, file: Path) -> bytes | None:
    if not source:
        return None
    what = f"the passphrase of the CA key {file}"
    found = read_secret(source, Path(), what)
    if source == "prompt" and read_secret(source, Path(), f"{what}, again") != found:
        raise HttpcaError("the two passphrases differ; nothing was made")
    return found
