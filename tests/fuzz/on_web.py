"""What callers of the API and visitors of the pages send."""

from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from pipeline.states import State
from tests.fuzz import mutators
from tests.fuzz.target import Target
from tests.website import Website

JSON: Final = "application/json"
BOUNDARY: Final = "multipart/form-data; boundary=xx"
FORM: Final = "application/x-www-form-urlencoded"
MARK: Final = b"<q>"
"""What a page of ours never has: seen in one, it was put there raw."""


class Refused(Exception):
    """The web side answered that this is not to be."""


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="httpca-fuzz-", ignore_cleanup_errors=True)


class Doors:
    """The web side, with a requester and a request that has ended."""

    def __init__(self) -> None:
        self.website = Website(Path(_folder().name), limits={"address": 0, "requester": 0})
        self.website.app.config["WTF_CSRF_ENABLED"] = False
        self.token = self.website.token("ci")
        self.ended = self.website.submit(requester="ci")
        self.website.move(self.ended, State.REJECTED, "No.")

    def send(self, door: int, octets: bytes) -> Any:
        """Send octets through one of the doors."""
        client = self.website.client(self.token)
        text = octets.decode("latin-1").replace("\r", " ").replace("\n", " ")
        requests, one = "/api/v1/requests", f"/api/v1/requests/{self.ended}"
        match door:
            case 0:
                return client.post(requests, data=octets, content_type=JSON)
            case 1:
                return client.post("/api/v1/batches", data=octets, content_type=JSON)
            case 2:
                address = f"{requests}?profile=server"
                return client.post(address, data=octets, content_type="application/pkcs10")
            case 3:
                return client.post(requests, data=octets, content_type="application/x-pem-file")
            case 4:
                return client.post(requests, data=b"{}", content_type=text)
            case 5:
                return client.get(requests, query_string=text)
            case 6:
                return client.get(f"{one}/certificate", headers={"Accept": text})
            case 7:
                return client.get(one, headers={"Prefer": text})
            case 8:
                headers = {"Idempotency-Key": text}
                return client.post(requests, data=b"{}", content_type=JSON, headers=headers)
            case 9:
                return self.website.client().get(one, headers={"Authorization": text})
            case 10:
                return client.get("/" + text.lstrip("/"))
            case 11:
                return client.post("/", data=octets, content_type=FORM)
            case 12:
                return client.post("/", data=octets, content_type=BOUNDARY)
            case 13:
                return client.get("/", headers={"Accept-Language": text})
            case 14:
                return self.website.client().get("/requests", headers={"Cookie": text})
            case _:
                return client.get("/api/v1/audit/checkpoints", query_string=text)


DOORS: Final = 16


@cache
def doors() -> Doors:
    """Return the web side, set up when it is first asked for."""
    return Doors()


def send(octets: bytes) -> None:
    """Send octets through the door that the first of them chooses; whatever it is, we answer.

    Raises:
        Refused: the answer is a problem of the sender's.
    """
    door, content = (octets[0] % DOORS, octets[1:]) if octets else (0, b"")
    response = doors().send(door, content)
    body = response.get_data()
    assert response.status_code < 500, body
    if response.mimetype == "text/html":
        assert MARK not in body
    if response.status_code >= 400:
        if door < 10 and response.mimetype != "text/html":
            assert response.mimetype == "application/problem+json", response.mimetype
        raise Refused(response.status_code)


def _change(source: bytes, random: Random) -> bytes:
    inner = mutators.json_value if source[:1] in (b"\0", b"\1") else mutators.octets
    return mutators.after_byte(inner)(source, random)


WEB: Final = Target(
    "web",
    send,
    (Refused,),
    (
        "pipeline.web.api",
        "pipeline.web.api_input",
        "pipeline.web.form",
        "pipeline.web.html",
        "pipeline.web.idempotency",
        "pipeline.web.formats",
        "pipeline.web.lookup",
        "pipeline.web.submit",
        "pipeline.web.understood",
        "pipeline.web.problems",
        "pipeline.web.access",
        "pipeline.web.locales",
    ),
    _change,
    ("csr", "profile", "comment", "requests", "<q>", "wait=", "state=", "cursor=", "Bearer "),
)
