"""Attacks on the payload by somebody who has the key: one form only, and of one size, is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.messages import MAX_CSR_BYTES, MAX_ITEMS
from pipeline.stages import DECIDE, DELIVER
from tests.attacks.attack import APPROVER_KEY, SIGNER_KEY, WEB_KEY, Attack, Spoil
from tests.attacks.forge import Json, dumps, payload_of, signed
from tests.attacks.ground import new_id

ChangePayload = Callable[[Json], bytes]


def _with(**changes: Any) -> ChangePayload:
    return lambda payload: dumps(payload | changes)


def _item(**changes: Any) -> ChangePayload:
    """Change the one submission in the body."""

    def change(payload: Json) -> bytes:
        (only,) = payload["body"]["submissions"]
        return dumps(payload | {"body": {"submissions": [only | changes]}})

    return change


def _of(**changes: Any) -> ChangePayload:
    """Change the body."""
    return lambda payload: dumps(payload | {"body": payload["body"] | changes})


def _outcome(**changes: Any) -> ChangePayload:
    def change(payload: Json) -> bytes:
        (only,) = payload["body"]["outcomes"]
        return dumps(payload | {"body": {"outcomes": [only | changes]}})

    return change


def _id_with(text: str) -> ChangePayload:
    """Change the request's id to something that looks like it."""

    def change(payload: Json) -> bytes:
        (only,) = payload["body"]["submissions"]
        return dumps(payload | {"body": {"submissions": [only | {"id": only["id"] + text}]}})

    return change


def _replaced(old: bytes, new: bytes) -> ChangePayload:
    def change(payload: Json) -> bytes:
        octets = dumps(payload)
        assert old in octets
        return octets.replace(old, new, 1)

    return change


def _body(octets: bytes) -> ChangePayload:
    return lambda payload: dumps(payload | {"body": 0}).replace(b'"body":0', b'"body":' + octets)


def _many(kind: str, count: int) -> ChangePayload:
    def change(payload: Json) -> bytes:
        (only,) = payload["body"]["submissions"]
        items = [only | {"id": new_id()} for _ in range(count)]
        listed: dict[str, list[Any]] = {
            "submissions": items,
            "withdrawals": [item["id"] for item in items],
        }
        return dumps(payload | {"body": {kind: listed[kind]}})

    return change


_MEMBERS: list[tuple[str, ChangePayload]] = [
    ("a member too many", _with(admin=True)),
    ("fields of Dramatiq", _with(actor_name="sign", queue_name="signer.sign", args=[])),
    ("options of Dramatiq", _with(options={"eta": 1, "max_retries": 99, "pipe_target": {}})),
    ("a member missing", lambda p: dumps({k: v for k, v in p.items() if k != "id"})),
    ("a member twice", _replaced(b'"stage":', b'"stage":"sign","stage":')),
    ("the body twice", _replaced(b'"body":', b'"body":{},"body":')),
    ("members in another order", lambda p: dumps(dict(reversed(p.items())))),
    ("a default that is written out", _item(comment="")),
    ("null for nothing", _item(requester=None)),
    ("an escaped letter", _replaced(b'"stage"', b'"\\u0073tage"')),
    ("white space", _replaced(b":", b": ")),
    ("trailing white space", lambda p: dumps(p) + b"\n"),
    ("trailing octets", lambda p: dumps(p) + b"{}"),
    ("a byte order mark", lambda p: b"\xef\xbb\xbf" + dumps(p)),
    ("UTF-16", lambda p: dumps(p).decode().encode("utf-16")),
    ("invalid UTF-8", _replaced(b'"server"', b'"\xff\xfe"')),
    ("an overlong form of UTF-8", _replaced(b'"server"', b'"\xc0\xafserver"')),
    ("half a surrogate pair", _replaced(b'"server"', b'"\\ud800"')),
    ("NUL in a text", _item(comment="a\0b")),
    ("NUL in the profile's name", _item(profile="server\0")),
    ("a comment of 2001 characters", _item(comment="A" * 2001)),
    ("a profile's name of 201 characters", _item(profile="A" * 201)),
    ("an empty profile's name", _item(profile="")),
    ("a number for a text", _item(profile=1)),
    ("a list for a text", _item(profile=["server"])),
    ("a text for a list", _of(withdrawals="all")),
    ("a number of 401 digits", _item(known_revision=10**400)),
    ("a number beyond 64 bits", _item(known_revision=2**64)),
    ("a revision below zero", _item(known_revision=-1)),
    ("a revision beyond the database's numbers", _item(known_revision=2**31)),
    ("a float for a number", _replaced(b'"v":1', b'"v":1.0')),
    ("a number with an exponent", _replaced(b'"v":1', b'"v":1e0')),
    ("true for a number", _with(v=True)),
    ("NaN", _body(b"NaN")),
    ("Infinity", _body(b"Infinity")),
    ("an exponent beyond all floats", _body(b"1e999999")),
    ("null as body", _body(b"null")),
    ("a text as body", _body(b'"{}"')),
    ("a comment in the JSON", _body(b"{/**/}")),
    ("a comma too many", _body(b'{"withdrawals":[],}')),
    ("300000 brackets deep", _body(b"[" * 300_000 + b"]" * 300_000)),
    ("300000 objects deep", _body(b'{"a":' * 300_000 + b"1" + b"}" * 300_000)),
    ("a million members", _body(b"{" + b'"a":1,' * 300_000 + b'"b":1}')),
    ("no object", lambda p: b"[]"),
    ("no JSON", lambda p: b"\x80\x04\x95"),
    ("an id that is a path", _with(id="../../../../etc/passwd-000000000000000")),
    ("an id in capitals", _with(id="01890000-0000-7000-8000-00000000ABCD")),
    ("an id with digits of another script", _with(id="\u06601890000-0000-7000-8000-000000000001")),
    ("an id with a line break behind it", lambda p: dumps(p | {"id": p["id"] + "\n"})),
    ("a request's id with a line break behind it", _id_with("\n")),
    ("a request's id with an invisible character", _id_with("\u200b")),
    ("a request's id with a NUL behind it", _id_with("\0")),
    ("a request's id that is a statement of SQL", _item(id="'; DROP TABLE requests; --")),
    ("a withdrawal with a line break behind its id", _of(withdrawals=[new_id() + "\n"])),
    ("a time in the year 10000", _with(sent_at="10000-01-01T00:00:00Z")),
    ("a time in the year 9999", _with(sent_at="9999-12-31T23:59:59Z")),
    ("a time in the year 1", _with(sent_at="0001-01-01T00:00:00Z")),
    ("a time without its zone", _with(sent_at="2026-01-01T00:00:00")),
    ("a time of another zone", _with(sent_at="2026-01-01T01:00:00+01:00")),
    ("a time as a number", _with(sent_at=0)),
    ("a leap second", _with(sent_at="2016-12-31T23:59:60Z")),
    ("a submission from the year 9999", _item(submitted_at="9999-12-31T23:59:59Z")),
    ("unused bits of base64 in the CSR", _item(csr="QR==")),
    ("base64url in the CSR", _item(csr="-_-_")),
    ("a CSR that is too long", _item(csr="A" * 4 * (MAX_CSR_BYTES // 3 + 1))),
    ("more submissions than allowed", _many("submissions", MAX_ITEMS + 1)),
    ("more withdrawals than allowed", _many("withdrawals", MAX_ITEMS + 1)),
]


def _signed(change: ChangePayload) -> Spoil:
    return lambda g, n: signed(change(payload_of(n.octets)), n.me)


PAYLOADS: list[Attack] = (
    [
        Attack(f"payload: {name}", WEB_KEY, _signed(change), "bad-body", "web")
        for name, change in _MEMBERS
    ]
    + [
        Attack(f"payload: {name}", WEB_KEY, _signed(change), "unknown-version", "web")
        for name, change in (
            ("the version that comes next", _with(v=2)),
            ("the version before", _with(v=0)),
            ("a version beyond 64 bits", _with(v=2**70)),
            ("a version of 401 digits", _with(v=10**400)),
        )
    ]
    + [
        Attack(
            f"decision: {name}", APPROVER_KEY, _signed(change), "bad-body", "approver", stage=DECIDE
        )
        for name, change in (
            ("a verdict that there is not", _of(verdict="maybe")),
            ("a verdict in capitals", _of(verdict="ACCEPT")),
            ("a digest with a line break behind it", _of(digest="0" * 64 + "\n")),
            ("a digest in capitals", _of(digest="A" * 64)),
            ("an approver's name besides", _of(approver="approver-2")),
            ("a quorum besides", _of(quorum=1)),
            ("NUL in the reason", _of(reason="a\0b")),
            ("several requests at once", _of(request_id=[new_id(), new_id()])),
        )
    ]
    + [
        Attack(f"outcome: {name}", SIGNER_KEY, _signed(change), "bad-body", "signer", stage=DELIVER)
        for name, change in (
            ("a state that there is not", _outcome(state="approved")),
            ("revision zero", _outcome(revision=0)),
            ("a revision beyond the database's numbers", _outcome(revision=2**31)),
            ("an issuer with a line break behind it", _outcome(issuer="0" * 64 + "\n")),
            ("NUL in the reason", _outcome(reason="a\0b")),
        )
    ]
)
