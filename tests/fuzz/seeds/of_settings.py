"""Seeds of what is in `on_settings`: policies, settings, patterns, and where keys lie."""

from pathlib import Path
from typing import Final

import settings as settings_package
from tests.fuzz.seeds import Seeds

EXAMPLE_POLICY: Final = Path(settings_package.__file__).parent / "policy.toml"


def policies() -> Seeds:
    yield "example", EXAMPLE_POLICY.read_bytes()
    yield "small", b'default = "reject"\n[profiles.server]\nkeys = ["rsa:2048-4096", "ed25519"]\n'
    yield (
        "people",
        (
            b'[groups]\nbuild = ["ci"]\n[approvers]\nsecurity = ["a", "b"]\n[same_person]\na = ["ci"]\n'
            b'[profiles.server]\n[[rules]]\nname = "x"\naction = "approve"\nquorum = 2\n'
            b'approvers = "security"\nexpires = "7d"\nremind_after = "1d"\nlimit = ["10/hour", "99/day"]\n'
            b'over_limit = "reject"\ngroups = ["build"]\nhours = "22:00-06:00"\ndays = ["mon"]\n'
            b'zone = "Europe/Berlin"\n'
        ),
    )
    yield (
        "rules",
        (
            b'[profiles.server]\nvalidity = "90d"\nnames = ["dns", "ip", "uri", "email"]\nwildcards = true\n'
            b'max_names = 3\n[[rules]]\nname = "r"\naction = "reject"\nreason = "no"\n'
            b'every_name = ["*.example.com", "10.0.0.0/8", "*@example.com", "spiffe://example.org/*"]\n'
            b'[[rules]]\nname = "s"\naction = "sign"\nany_name = ["www.example.com"]\nkeys = ["ec:P-256"]\n'
            b'[[rules]]\nname = "t"\naction = "sign"\nrequesters = ["ci"]\ntrust_web = true\nsources = ["api"]\n'
        ),
    )


def settings() -> Seeds:
    yield (
        "web",
        (
            b'\0role = "web"\ndatabase = "sqlite:///data/web.sqlite"\nbroker = "memory:"\n'
            b"HTTPCA_WEB_HTTP_PORT=81\nHTTPCA_WEB_PROFILES=server, client\n[http]\nanonymous = true\n"
            b"threads = 4\nlong_polls = 2\n[limits]\naddress = 3\n[log]\n[keep]\n[worker]\n"
        ),
    )
    yield (
        "web-postgresql",
        (
            b'\0role = "web"\ndatabase = "postgresql+psycopg://web:secret@127.0.0.1/web"\n'
            b'broker = "amqp://web:secret@127.0.0.1:5672/httpca"\nHTTPCA_WEB_TLS_CA=x\n'
        ),
    )
    yield (
        "signer",
        (
            b'\1role = "signer"\ndatabase = "sqlite:///data/signer.sqlite"\nHTTPCA_SIGNER_BROKER=memory:\n'
            b'[[issuers]]\nname = "a"\ncertificate = "a.pem"\nroot = "r.pem"\nkey = "a.key"\n'
            b'[[issuers]]\nname = "b"\ncertificate = "b.pem"\nroot = "r.pem"\nretiring = true\n'
            b'key = "pkcs11:token=t;object=o?module-path=/x"\n'
            b'passphrase = "file:pin"\n'
        ),
    )
    yield (
        "approver",
        b'\2role = "approver"\nname = "approver"\nsigner_database = "sqlite:///x"\nbroker = "amqps://h/"\n',
    )


def patterns() -> Seeds:
    for number, text in enumerate((
        "example.com", "*.example.com", "10.0.0.0/8", "fd00::/8", "192.0.2.1", "user@example.com",
        "*@example.com", "spiffe://example.org/a", "spiffe://example.org/*", "*.bücher.example",
        "urn:a:b", "https://[::1]/*", "*.*.x", "0.0.0.0/0",
    )):  # fmt: skip
        yield f"{number}", text.encode()


def uris() -> Seeds:
    yield "label", b"pkcs11:token=T%20x;object=L?module-path=/usr/lib/softhsm/libsofthsm2.so"
    yield "id", b"pkcs11:serial=12;token=T;id=%01%ff;type=private?module-path=%2Fx"
    yield "pin", b"pkcs11:token=T;object=L?pin-value=1&module-path=/x"
