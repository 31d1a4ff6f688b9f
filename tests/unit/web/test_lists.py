"""Lists of one's own requests, by API and as a page."""

from datetime import timedelta

import pytest

from pipeline.states import State
from tests.unit.web.browser import HTML, parse
from tests.website import Website


def test_the_list_has_ones_own_requests_in_pages(website: Website) -> None:
    mine = [website.submit(f"DNS:{n}.example.test", requester="me") for n in range(7)]
    website.submit(requester="you")
    website.submit()
    client = website.client(website.token("me"))
    found: list[str] = []
    address: str | None = "/api/v1/requests?limit=3"
    sizes = []
    while address:
        page = client.get(address).json
        sizes.append(len(page["requests"]))
        found += [one["id"] for one in page["requests"]]
        assert not any("certificate" in one for one in page["requests"])
        address = page["next"]
    assert found == mine[::-1]
    assert sizes == [3, 3, 1]


def test_the_list_keeps_its_place_when_new_requests_come(website: Website) -> None:
    mine = [website.submit(requester="me") for _ in range(4)]
    client = website.client(website.token("me"))
    first = client.get("/api/v1/requests?limit=2").json
    website.submit(requester="me")
    second = client.get(first["next"]).json
    assert [one["id"] for one in second["requests"]] == [mine[1], mine[0]]
    assert second["next"] is None


def test_requests_of_the_same_moment_are_all_listed(website: Website) -> None:
    for _ in range(5):
        website.submit(requester="me")
        website.moment -= timedelta(seconds=1)
    client = website.client(website.token("me"))
    first = client.get("/api/v1/requests?limit=2").json
    second = client.get(first["next"]).json
    third = client.get(second["next"]).json
    found = [one["id"] for page in (first, second, third) for one in page["requests"]]
    assert len(set(found)) == 5


def test_the_list_filters_by_state(website: Website) -> None:
    issued, rejected = (website.submit(requester="me") for _ in range(2))
    website.submit(requester="me")
    website.issue(issued)
    website.move(rejected, State.REJECTED)
    client = website.client(website.token("me"))
    one = client.get("/api/v1/requests?state=issued").json["requests"]
    two = client.get("/api/v1/requests?state=issued&state=rejected&limit=1").json
    assert [found["id"] for found in one] == [issued]
    assert two["requests"][0]["id"] == rejected
    assert client.get(two["next"]).json["requests"][0]["id"] == issued


def test_a_state_that_is_asked_for_twice_is_listed_once(website: Website) -> None:
    mine = [website.submit(requester="me") for _ in range(3)]
    client = website.client(website.token("me"))
    often = "&".join(["state=submitted"] * 1000)
    page = client.get(f"/api/v1/requests?limit=2&{often}").json
    rest = client.get(page["next"]).json
    found = [one["id"] for one in page["requests"] + rest["requests"]]
    assert found == mine[::-1]
    assert page["next"].count("state=") == 1


@pytest.mark.parametrize(
    ("query", "slug"),
    [
        ("state=done", "bad-parameter"),
        ("limit=0", "bad-parameter"),
        ("limit=201", "bad-parameter"),
        ("limit=many", "bad-parameter"),
        ("limit=9999999999999", "bad-parameter"),
        ("limit=000000001000", "bad-parameter"),
        (f"limit=000000001{'0' * 5000}", "bad-parameter"),
        ("limit=%C2%B2", "bad-parameter"),
        ("cursor=nonsense", "bad-cursor"),
        ("cursor=%00", "bad-cursor"),
        ("cursor=%C3%BC", "bad-cursor"),
        ("cursor=MDAwMS0wMS0wMVQwMDowMDowMCsyMzo1OSB4", "bad-cursor"),
    ],
)
def test_a_list_asked_for_wrongly_says_so(website: Website, query: str, slug: str) -> None:
    answer = website.client(website.token("me")).get(f"/api/v1/requests?{query}")
    assert (answer.status_code, answer.json["type"]) == (400, f"/problems/{slug}")


def test_the_page_of_a_list_leads_to_the_older_ones(website: Website) -> None:
    for number in range(30):
        website.submit(f"DNS:host-{number}.example.test", "DNS:b.example.test", requester="me")
    client = website.client(website.token("me"))
    page = client.get("/requests")
    older = [a.get("href") for a in parse(page).iter(f"{HTML}a") if a.get("rel") == "next"]
    assert "host-29" in page.text
    assert "host-4." not in page.text
    assert "host-4." in client.get(older[0]).text
