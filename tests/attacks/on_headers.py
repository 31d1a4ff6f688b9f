"""Attacks on the protected header: only three members, in one form, are read; none is obeyed."""

from __future__ import annotations

from collections.abc import Callable

from tests.attacks.attack import WEB_KEY, Attack, Spoil
from tests.attacks.forge import Json, b64, dumps, header_of, payload_of, resigned

ChangeHeader = Callable[[Json], object]


def _signed_with(change: ChangeHeader) -> Spoil:
    """The attacker has the key, so the signature fits the changed header."""
    return lambda g, n: resigned(n.octets, change(header_of(n.octets)), n.me.private_key)


def _twice(member: bytes) -> ChangeHeader:
    return lambda header: b"{" + member + b"," + dumps(header)[1:]


_FORMS: list[tuple[str, ChangeHeader]] = [
    ("crit", lambda h: h | {"crit": ["exp"], "exp": 1}),
    ("an unencoded payload (RFC 7797)", lambda h: h | {"crit": ["b64"], "b64": False}),
    ("brings its own key (jwk)", lambda h: h | {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A"}}),
    ("brings its own certificate (x5c)", lambda h: h | {"x5c": ["MIIB"]}),
    ("names where its key lies (jku)", lambda h: h | {"jku": "https://attacker.test/keys"}),
    ("names where its certificate lies (x5u)", lambda h: h | {"x5u": "https://attacker.test/c"}),
    ("names a key by a path (kid)", lambda h: h | {"kid": "../../../../dev/null"}),
    ("says that it is compressed (zip)", lambda h: h | {"zip": "DEF"}),
    ("a content type (cty)", lambda h: h | {"cty": "application/x-python-pickle"}),
    ("a member in disguise", lambda h: h | {"al\u200bg": "none"}),
    ("__proto__", lambda h: h | {"__proto__": {"alg": "none"}}),
    ("alg twice", _twice(b'"alg":"none"')),
    ("typ twice", _twice(b'"typ":"httpca+jws"')),
    ("no alg", lambda h: {k: v for k, v in h.items() if k != "alg"}),
    ("no certificate", lambda h: {k: v for k, v in h.items() if k != "x5t#S256"}),
    ("no typ", lambda h: {k: v for k, v in h.items() if k != "typ"}),
    ("another typ", lambda h: h | {"typ": "JWT"}),
    ("typ in capitals", lambda h: h | {"typ": "HTTPCA+JWS"}),
    ("alg as a list", lambda h: h | {"alg": [h["alg"], "none"]}),
    ("alg null", lambda h: h | {"alg": None}),
    ("members in another order", lambda h: dict(reversed(h.items()))),
    ("white space", lambda h: dumps(h).replace(b":", b": ", 1)),
    ("an escaped letter", lambda h: dumps(h).replace(b'"alg"', b'"\\u0061lg"', 1)),
    ("a byte order mark", lambda h: b"\xef\xbb\xbf" + dumps(h)),
    ("invalid UTF-8", lambda h: dumps(h).replace(b"httpca", b"\xff\xfe")),
    ("a list", lambda h: [h]),
    ("100000 brackets deep", lambda h: b"[" * 100_000 + b"]" * 100_000),
    ("a MiB of an unknown member", lambda h: h | {"x": "A" * 1024 * 1024}),
    ("a NUL behind it", lambda h: dumps(h) + b"\0"),
]

_ALGORITHMS = ["none", "None", "eddsa", "EDDSA", "Ed25519", "HS256", "RS256", "ES256", "ES384", ""]

HEADERS: list[Attack] = [
    Attack(f"header: {name}", WEB_KEY, _signed_with(change), "bad-header")
    for name, change in _FORMS
] + [
    Attack(
        f"alg {alg or 'empty'}",
        WEB_KEY,
        _signed_with(lambda h, alg=alg: h | {"alg": alg}),  # type: ignore[misc]
        "wrong-algorithm",
        "web",
    )
    for alg in _ALGORITHMS
]


def _unsigned(token: bytes) -> bytes:
    """The form of RFC 7519 section 6: alg none and no signature."""
    header = header_of(token) | {"alg": "none"}
    return b64(dumps(header)) + b"." + b64(dumps(payload_of(token))) + b"."


HEADERS.append(
    Attack(
        "alg none without signature",
        WEB_KEY,
        lambda g, n: _unsigned(n.octets),
        "wrong-algorithm",
        "web",
    )
)
