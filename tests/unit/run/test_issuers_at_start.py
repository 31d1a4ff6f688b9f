"""What is wrong with an issuing CA is refused at the start, with a sentence that says what."""

import io
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.clock import now
from pipeline.errors import SettingsError
from pipeline.run.signer_side import load_issuers
from pipeline.setup.ca import make_issuing, make_root
from pipeline.setup.directory import create
from pipeline.setup.issuing import as_toml
from pipeline.setup.options import SetupOptions
from pipeline.signer.keys import file as key_file
from pipeline.signer.keys.module import module_at
from settings.issuer import THE_ONE
from settings.signer import load_signer
from tests.factories import key, new_serial
from tests.servers import SoftHsm
from tests.servers.softhsm import MODULE, PIN

Change = Callable[[Path], None]


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Both sides, with an encrypted CA key."""
    (tmp_path / "ca.pass").write_text("correct horse")
    create(SetupOptions(tmp_path / "ca", passphrase_file=tmp_path / "ca.pass"))
    return tmp_path / "ca"


@pytest.fixture
def in_token(softhsm: SoftHsm, tmp_path: Path) -> Iterator[Path]:
    """Both sides, with the CA key in a token."""
    softhsm.add("start")
    module_at(MODULE).begin_anew()
    (tmp_path / "pin").write_text(PIN)
    uri = SoftHsm.uri("start", "issuing")
    create(SetupOptions(tmp_path / "ca", ca_token=uri, pin_file=tmp_path / "pin"))
    yield tmp_path / "ca"
    softhsm.remove("start")
    module_at(MODULE).begin_anew()


def problem(home: Path) -> str:
    """Load the issuing CAs as a signer worker does, and return why that is refused."""
    module_at(MODULE).begin_anew()
    with pytest.raises(SettingsError) as caught:
        load_issuers(load_signer(home / "signer"), home / "signer", now, signs=True)
    return str(caught.value)


def certify(home: Path, **different: object) -> None:
    """Put another certificate for the issuing key into its place."""
    folder = home / "signer/ca"
    public_key = x509.load_pem_x509_certificate((folder / "issuing.pem").read_bytes()).public_key()
    root_key = key("ec:P-384")
    path_length = different.pop("root_path_length", 1)
    assert path_length is None or isinstance(path_length, int)
    root = make_root(
        root_key, "R", now() - timedelta(days=2), new_serial(), path_length=path_length
    )
    lifetime = different.pop("lifetime", timedelta(days=9))
    assert isinstance(lifetime, timedelta)
    wanted = different.pop("public_key", public_key)
    made = make_issuing(
        wanted,  # type: ignore[arg-type]
        "I",
        root,
        root_key,
        now() - timedelta(days=1),
        new_serial(),
        lifetime=lifetime,
    )
    (folder / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (folder / "issuing.pem").write_bytes(made.public_bytes(Encoding.PEM))


def wrong_passphrase(home: Path) -> None:
    (home.parent / "ca.pass").write_text("battery staple")


def empty_passphrase(home: Path) -> None:
    (home.parent / "ca.pass").write_text("\n")


def no_source(home: Path) -> None:
    settings = home / "signer/settings.toml"
    settings.write_text(settings.read_text().replace("passphrase_file = ", "# "))


def plain_key(home: Path) -> None:
    file = home / "signer/ca/issuing.key"
    plain = key_file.load(file, b"correct horse")
    file.unlink()
    key_file.save(file, plain, None)


def no_key(home: Path) -> None:
    (home / "signer/ca/issuing.key").unlink()


def no_ca(home: Path) -> None:
    (home / "signer/ca/issuing.pem").write_bytes((home / "signer/message.pem").read_bytes())


def certificate_of_another_key(home: Path) -> None:
    certify(home, public_key=key("ec:P-521").public_key)


def expired(home: Path) -> None:
    certify(home, lifetime=timedelta(hours=1))


def path_length(home: Path) -> None:
    certify(home, root_path_length=0)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (wrong_passphrase, "issuing.key: the passphrase of the CA key is wrong"),
        (empty_passphrase, "ca.pass: a passphrase file holds one line"),
        (no_source, "is needed, and there is no terminal to ask for it"),
        (plain_key, "the CA key is not encrypted, but a passphrase was given"),
        (no_key, "issuing.key: the CA key cannot be read: No such file"),
        (no_ca, "issuing.pem: "),
        (certificate_of_another_key, "issuing.pem: does not belong to the CA key"),
        (expired, "CN=I is valid from"),
        (path_length, "root.pem: CN=R allows 0 CAs below it, and 1 are there"),
    ],
)
def test_a_key_in_a_file_and_its_certificate(home: Path, spoil: Change, sentence: str) -> None:
    load_issuers(load_signer(home / "signer"), home / "signer", now, signs=True)
    spoil(home)
    assert sentence in problem(home)


def another(old: str, new: str) -> Change:
    """Return the change of the key's URI."""

    def change(home: Path) -> None:
        settings = home / "signer/settings.toml"
        assert old in settings.read_text()
        settings.write_text(settings.read_text().replace(old, new))

    return change


def wrong_pin(home: Path) -> None:
    (home.parent / "pin").write_text("0000")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (wrong_pin, "the token 'start' refuses the PIN"),
        (another("token=start", "token=gone"), "there is no token 'gone'"),
        (another("libsofthsm2.so", "libgone.so"), "libgone.so cannot be loaded"),
        (another("object=issuing", "object=gone"), "no private key labelled 'gone'"),
        (another("?module-path", "?pin-value=1&module-path"), "pin-value does not belong here"),
        (another('passphrase = "file:', '# "'), "the PIN of token 'start': is needed"),
        (certificate_of_another_key, "issuing.pem: does not belong to the CA key"),
        (expired, "which is not now"),
    ],
)
def test_a_key_in_a_token_and_its_certificate(in_token: Path, spoil: Change, sentence: str) -> None:
    load_issuers(load_signer(in_token / "signer"), in_token / "signer", now, signs=True)
    spoil(in_token)
    shown = problem(in_token)
    assert sentence in shown
    assert PIN not in shown


def test_each_of_several_is_looked_at(home: Path) -> None:
    with (home / "signer/settings.toml").open("a") as settings:
        settings.write("\n" + as_toml(THE_ONE))
        settings.write(as_toml(THE_ONE).replace('"issuing"', '"next"').replace(".key", ".gone"))
    assert "issuing.gone: the CA key cannot be read" in problem(home)
