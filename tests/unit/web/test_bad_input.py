"""Bad input gets the design's status and problem, and the same sentence in the form."""

import base64
from io import BytesIO
from typing import Any

import msgspec
import pytest
from cryptography import x509
from sqlalchemy import func, select

from pipeline.web import tables
from pipeline.web.known_problems import PROBLEMS
from tests import factories
from tests.unit.web.browser import error_note, parse, review
from tests.website import Website


def pem(der: bytes, label: str = "CERTIFICATE REQUEST") -> bytes:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode()


def spoilt() -> bytes:
    """A CSR of which a bit of the signature is turned."""
    der = bytearray(factories.csr())
    der[-1] ^= 1
    return pem(bytes(der))


GOOD = factories.openssl_csr()

CASES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not-a-csr"),
    "a letter": (b"Dear CA, please sign me.", "not-a-csr"),
    "random octets": (bytes(range(256)), "not-a-csr"),
    "DER of something else": (b"\x30\x03\x02\x01\x05", "not-a-csr"),
    "a certificate": (pem(factories.issuer().root, "CERTIFICATE"), "not-a-csr"),
    "a certificate in DER": (factories.issuer().root, "not-a-csr"),
    "a private key": (factories.openssl_key("ec:P-256"), "private-key-sent"),
    "a CSR with its key": (GOOD + factories.openssl_key("ec:P-256"), "private-key-sent"),
    "broken base64": (GOOD.replace(b"M", b"!", 3), "broken-base64"),
    "a CSR cut off": (GOOD[:200], "broken-base64"),
    "two CSRs": (GOOD + GOOD, "two-csrs"),
    "a wrong signature": (spoilt(), "bad-signature"),
    "an MD5 signature": (factories.openssl_csr("rsa:2048", digest="md5"), "weak-signature"),
    "a SHA-1 signature": (factories.openssl_csr("rsa:2048", digest="sha1"), "weak-signature"),
    "a short key": (factories.openssl_csr("rsa:1024"), "weak-key"),
    "a key of another kind": (factories.openssl_csr("rsa-pss:2048"), "key-not-allowed"),
    "a key that no profile allows": (factories.openssl_csr("ec:secp224r1"), "key-not-allowed"),
    "no names": (factories.openssl_csr(names=()), "no-names"),
    "only a common name": (
        factories.openssl_csr(names=(), subject="/CN=www.example.test"),
        "no-names",
    ),
    "an underscore": (pem(factories.csr(["DNS:a_b.example.test"])), "invalid-name"),
    "a name of a kind not issued": (
        pem(factories.csr([x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))])),
        "name-not-allowed",
    ),
    "markup for a name": (
        pem(factories.csr([x509.DNSName("<script>alert(1)</script>.test")])),
        "invalid-name",
    ),
    "more than 64 KiB": (b"-" * 65_537, "too-large"),
    "more than is read": (b"-" * 300_000, "too-large"),
}


@pytest.mark.parametrize("case", CASES)
def test_tells_the_same_in_api_and_form(website: Website, case: str) -> None:
    octets, slug = CASES[case]
    problem = PROBLEMS[slug]
    answer = website.client().post(
        "/api/v1/requests?profile=server", data=octets, content_type="application/x-pem-file"
    )
    assert (answer.status_code, answer.mimetype) == (problem.status, "application/problem+json")
    assert answer.json == {
        "type": f"/problems/{slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": answer.json["detail"],
    }
    assert len(answer.json["detail"]) > 20
    page = review(website.client(), file=(BytesIO(octets), "request.pem"))
    assert page.status_code == problem.status
    if "more than is read" not in case:
        assert error_note(page) == answer.json["detail"]
    assert "<script" not in page.text
    german = website.client().post(
        "/api/v1/requests?profile=server",
        data=octets,
        content_type="application/x-pem-file",
        headers={"Accept-Language": "de"},
    )
    assert german.json["detail"] != answer.json["detail"]
    assert german.headers["Content-Language"] == "de"


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][0][:5] == b"-----"])
def test_tells_the_same_when_pasted_and_as_json(website: Website, case: str) -> None:
    octets, slug = CASES[case]
    if len(octets) > 200_000:
        return
    body = {"csr": octets.decode(), "profile": "server"}
    answer = website.client().post("/api/v1/requests", json=body)
    assert answer.json["type"] == f"/problems/{slug}"
    page = review(website.client(), octets.decode())
    assert error_note(page) == answer.json["detail"]


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("csr", {"csr": "no CSR"}),
        ("csr", {}),
        ("file", {"file": (BytesIO(b"no CSR"), "request.pem")}),
        ("file", {"file": (BytesIO(factories.openssl_key("ec:P-256")), "request.pem")}),
        ("profile", {"csr": GOOD.decode(), "profile": "mainframe"}),
        ("comment", {"csr": GOOD.decode(), "comment": "x" * 2001}),
    ],
)
def test_the_form_marks_the_field_that_is_wrong(
    website: Website, field: str, sent: dict[str, Any]
) -> None:
    page = parse(review(website.client(), **sent))
    (marked,) = (each for each in page.iter() if each.get("aria-invalid") == "true")
    assert marked.get("id") == field
    assert marked.get("aria-describedby") == "error"


def test_a_private_key_is_not_sent_back(website: Website) -> None:
    key = factories.openssl_key("ec:P-256").decode()
    page = review(website.client(), GOOD.decode() + key)
    assert page.status_code == 400
    assert "-----BEGIN" not in page.text.replace('placeholder="-----BEGIN', "")


@pytest.mark.parametrize("profile", ["mainframe", "", "\0", "<b>server</b>", "x" * 10_000])
def test_an_unknown_profile_says_which_there_are(website: Website, profile: str) -> None:
    body = {"csr": GOOD.decode(), "profile": profile}
    answer = website.client().post("/api/v1/requests", json=body)
    assert (answer.status_code, answer.json["type"]) == (422, "/problems/unknown-profile")
    assert "server, client" in answer.json["detail"]
    page = review(website.client(), GOOD.decode(), profile=profile)
    assert page.status_code == 422
    assert error_note(page) == answer.json["detail"]


@pytest.mark.parametrize("comment", ["x" * 2001, "a\0b", "bell\x07"])
def test_a_comment_that_cannot_be_stored_is_refused(website: Website, comment: str) -> None:
    body = {"csr": GOOD.decode(), "profile": "server", "comment": comment}
    answer = website.client().post("/api/v1/requests", json=body)
    assert (answer.status_code, answer.json["type"]) == (422, "/problems/bad-comment")
    assert (
        error_note(review(website.client(), GOOD.decode(), comment=comment))
        == (answer.json["detail"])
    )


@pytest.mark.parametrize(
    ("body", "slug", "says"),
    [
        (b"", "malformed-json", "ends too early"),
        (b'{"csr": "a"', "malformed-json", "ends too early"),
        (b'{\n "csr": @\n}', "malformed-json", "line 2, column 9"),
        (b'{"csr": "a",}', "malformed-json", "line 1, column 13"),
        (b'{"csr": "\xff"}', "malformed-json", "not UTF-8"),
        (b"[" * 100_000, "wrong-json", "must be a JSON object"),
        (b'{"csr": "a", "x": ' + b"[" * 100_000, "wrong-json", "no member “x”"),
        (b"[]", "wrong-json", "must be a JSON object"),
        (b"null", "wrong-json", "must be a JSON object"),
        (b'"csr"', "wrong-json", "must be a JSON object"),
        (b"{}", "wrong-json", "“csr” is missing"),
        (b'{"csr": 7}', "wrong-json", "“csr” must be a string"),
        (b'{"csr": "a", "comment": ["b"]}', "wrong-json", "“comment” must be a string"),
        (b'{"csr": "a", "Profile": "server"}', "wrong-json", "no member “Profile”"),
    ],
)
def test_json_that_does_not_fit_says_where(
    website: Website, body: bytes, slug: str, says: str
) -> None:
    answer = website.client().post("/api/v1/requests", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["type"]) == (400, f"/problems/{slug}")
    assert says in answer.json["detail"]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_another_content_type_says_which_are_read(website: Website, content_type: Any) -> None:
    answer = website.client().post("/api/v1/requests", data=GOOD, content_type=content_type)
    assert (answer.status_code, answer.json["type"]) == (415, "/problems/unsupported-media-type")
    assert "application/pkcs10" in answer.headers["Accept"]


def test_a_form_with_text_and_file_says_to_use_one(website: Website) -> None:
    page = review(website.client(), GOOD.decode(), file=(BytesIO(GOOD), "request.pem"))
    assert page.status_code == 400
    assert "only one" in error_note(page)


def test_a_refused_form_keeps_what_was_filled_in(website: Website) -> None:
    page = review(website.client(), "nonsense </textarea>", profile="client", comment="For <me>")
    assert "nonsense &lt;/textarea&gt;" in page.text
    assert "<option selected>client</option>" in page.text
    assert "For &lt;me&gt;" in page.text


@pytest.mark.parametrize("address", ["/api/v1/nothing", "/api/v1/requests/7", "/api/v1/ca/x"])
def test_an_unknown_address_is_not_found(website: Website, address: str) -> None:
    answer = website.client().get(address)
    assert (answer.status_code, answer.json["type"]) == (404, "/problems/not-found")


def test_a_method_that_is_not_allowed_says_which_are(website: Website) -> None:
    answer = website.client().put("/api/v1/requests")
    assert (answer.status_code, answer.json["type"]) == (405, "/problems/method-not-allowed")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].replace(" ", "").split(","))
    assert website.client().delete("/ca").status_code == 405


def test_nothing_is_stored_of_what_is_refused(website: Website) -> None:
    client = website.client()
    for octets, _slug in CASES.values():
        answer = client.post("/api/v1/requests", json={"csr": octets.decode("latin-1")})
        assert answer.status_code in (400, 413, 422)
    with website.database.read() as connection:
        for table in tables.metadata.sorted_tables:
            if table.name not in ("heartbeats", "rates"):
                assert connection.scalar(select(func.count()).select_from(table)) == 0


def test_problems_are_json_as_the_rfc_has_it(website: Website) -> None:
    answer = website.client().get("/api/v1/nothing")
    decoded = msgspec.json.decode(answer.data)
    assert set(decoded) == {"type", "title", "status", "detail"}
