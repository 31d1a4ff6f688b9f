"""One factory per domain object: CSRs, issuing CAs, profiles, policies.

``openssl_csr`` makes what people really send; ``csr`` makes the same a hundred times faster.
"""

import secrets
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pipeline.crypto import csr as csrs
from pipeline.crypto.csr import Csr
from pipeline.crypto.names import Name
from pipeline.crypto.profile import Profile
from pipeline.setup.ca import make_issuing, make_root
from pipeline.signer import authority
from pipeline.signer.extensions import general_name
from pipeline.signer.issuer import Issuer, load_issuer
from pipeline.signer.keys.file import FileKey, generate
from pipeline.signer.policy import Policy
from pipeline.signer.policy_file import load

NOW = datetime(2026, 5, 17, 12, 30, 15, 678901, tzinfo=UTC)
"""The time of tests that need one: with microseconds, which no certificate can hold."""

_OPENSSL_KEYS = {
    "ec": ("EC", "ec_paramgen_curve"),
    "rsa": ("RSA", "rsa_keygen_bits"),
    "rsa-pss": ("RSA-PSS", "rsa_keygen_bits"),
}


def openssl(*arguments: str, octets: bytes = b"") -> bytes:
    """Run the openssl command with these arguments and standard input; return its output."""
    done = subprocess.run(["openssl", *arguments], input=octets, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@cache
def openssl_key(kind: str, *options: str) -> bytes:
    """Return a private key in PEM, the same one for the same arguments.

    ``kind`` is as in profiles (``ec:P-256``, ``rsa:2048``, ``ed25519``), or what openssl calls it;
    ``options`` are for ``-pkeyopt``.
    """
    family, _, size = kind.partition(":")
    if family not in _OPENSSL_KEYS:
        return openssl("genpkey", "-algorithm", kind)
    algorithm, parameter = _OPENSSL_KEYS[family]
    arguments = [
        part for option in (f"{parameter}:{size}", *options) for part in ("-pkeyopt", option)
    ]
    return openssl("genpkey", "-quiet", "-algorithm", algorithm, *arguments)


@cache
def openssl_csr(
    key: str = "ec:P-256",
    names: tuple[str, ...] = ("DNS:www.example.test",),
    subject: str = "/",
    digest: str | None = None,
    key_options: tuple[str, ...] = (),
    options: tuple[str, ...] = (),
) -> bytes:
    """Return a CSR in PEM as the openssl command makes it.

    ``names`` are as openssl writes them (``DNS:www.example.test``, ``IP:192.0.2.1``); ``options``
    go to ``openssl req`` as they are.
    """
    arguments = ["req", "-new", "-utf8", "-key", "/dev/stdin", "-subj", subject, *options]
    if names:
        arguments += ["-addext", f"subjectAltName={','.join(names)}"]
    if digest is not None:
        arguments.append(f"-{digest}")
    return openssl(*arguments, octets=openssl_key(key, *key_options))


_GENERAL_NAMES: dict[str, Callable[[str], x509.GeneralName]] = {
    "DNS": x509.DNSName,
    "email": x509.RFC822Name,
    "URI": x509.UniformResourceIdentifier,
    "IP": lambda text: x509.IPAddress(ip_address(text)),
    "UPN": lambda text: general_name(Name("upn", text)),
}


@cache
def key(kind: str = "ec:P-256") -> FileKey:
    """Return a key, the same one for the same kind."""
    return generate(kind)


def csr(
    names: Sequence[str | x509.GeneralName] = ("DNS:www.example.test",),
    key_kind: str = "ec:P-256",
    common_name: str | None = None,
    subject: Sequence[x509.NameAttribute[Any]] = (),
    extensions: Sequence[x509.ExtensionType] = (),
    private_key: Any = None,
) -> bytes:
    """Return a CSR in DER, quickly; ``names`` are as openssl writes them, or general names. It is for
    ``private_key`` if that is given, else for the one key of this kind."""
    attributes = list(subject)
    if common_name is not None:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    if names:
        general_names = [
            _GENERAL_NAMES[name.partition(":")[0]](name.partition(":")[2])
            if isinstance(name, str)
            else name
            for name in names
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(general_names), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    private_key = private_key or key(key_kind).private_key
    digest = None if isinstance(private_key, Ed25519PrivateKey) else SHA256()
    return builder.sign(private_key, digest).public_bytes(Encoding.DER)


def read_csr(*names: str, **options: Any) -> Csr:
    """Return a CSR for these names, read."""
    return csrs.read(csr(names or ("DNS:www.example.test",), **options))


def raw_san(octets: bytes) -> x509.UnrecognizedExtension:
    """Return a SAN extension with exactly this value, for what no tool would write."""
    return x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, octets)


def profile(**fields: Any) -> Profile:
    """Return a profile named ``server``; ``fields`` are as in a policy file."""
    return msgspec.convert({"name": "server", **fields}, Profile)


def new_serial() -> int:
    """Return a random serial number."""
    return authority.new_serial(secrets.token_bytes)


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="httpca-tests-", ignore_cleanup_errors=True)


def write(text: str | bytes, name: str = "file") -> Path:
    """Write a file into a folder of its own and return its path; it is its owner's alone."""
    path = Path(_folder().name) / secrets.token_hex(8) / name
    path.parent.mkdir()
    path.touch(0o600)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@cache
def issuer(kind: str = "ec:P-256", root_kind: str | None = None, path_length: int = 0) -> Issuer:
    """Return an issuing CA below a root, both with keys of this kind, made a moment before NOW.

    Below it so many CAs may stand as ``path_length`` says."""
    root_key, issuing_key = generate(root_kind or kind), generate(kind)
    root = make_root(root_key, "Test Root", NOW, new_serial(), path_length=path_length + 1)
    issuing = make_issuing(
        issuing_key.public_key,
        "Test Issuing CA",
        root,
        root_key,
        NOW,
        new_serial(),
        path_length=path_length,
    )
    return load_issuer(
        write(issuing.public_bytes(Encoding.PEM), "issuing.pem"),
        write(root.public_bytes(Encoding.PEM), "root.pem"),
        issuing_key,
        NOW,
    )


def policy(text: str) -> Policy:
    """Return the policy of this TOML text."""
    return load(write(text, "policy.toml"))
