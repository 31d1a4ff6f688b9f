"""Signed heads of the signer's audit, where everybody can see and keep them."""

from tests.website import Website


def test_the_heads_are_listed_the_newest_first(website: Website) -> None:
    first = website.checkpoint(10)
    second = website.checkpoint(20, extends=10)
    client = website.client()

    listed = client.get("/api/v1/audit/checkpoints").json["checkpoints"]

    assert [one["note"] for one in listed] == [second, first]
    assert [(one["size"], one["extends"]) for one in listed] == [(20, 10), (10, None)]
    assert client.get("/api/v1/audit/checkpoints?limit=1").json["checkpoints"] == listed[:1]
    assert client.get("/api/v1/audit/checkpoints?limit=0").status_code == 400


def test_the_page_of_the_cas_shows_the_newest_head(website: Website) -> None:
    client = website.client()
    assert "signed head" not in client.get("/ca").text
    website.checkpoint(10)
    note = website.checkpoint(20)
    page = client.get("/ca").text
    assert "signed head" in page
    assert note.splitlines()[2] in page
    assert "/api/v1/audit/checkpoints" in page
