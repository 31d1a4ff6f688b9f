"""What is unusual about a request because of what came before it, and its history."""

import io
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from rich.console import Console, RenderableType

from pipeline.approve import history_view
from pipeline.approve.desk import Desk
from pipeline.states import State
from tests.unit.approve.asked import NOON, make_csr
from tests.unit.approve.world import World, look

SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
FIRST = "It is the first request of this requester."
NEW_NAME = "Its name was never issued before."
NEW_NAMES = "None of its names was ever issued before."
OTHERS_KEY = "Its key came in a request of somebody else, too."
OLD_KEY = "Its key has a certificate already."


def own_key(*names: str) -> bytes:
    return make_csr(names or ("www.example.com",), key=ec.generate_private_key(ec.SECP256R1()))


def text(renderable: RenderableType) -> str:
    file = io.StringIO()
    Console(file=file, width=80).print(renderable)
    return file.getvalue()


def test_the_first_request_of_a_requester_is_told_and_their_next_is_not(
    desk: Desk, world: World
) -> None:
    first = world.add(own_key())
    second = world.add(own_key(), created_at=NOON + timedelta(hours=1))
    other = world.add(own_key(), requester="another", created_at=NOON + timedelta(hours=2))
    assert FIRST in look(desk, first).unusual
    assert FIRST not in look(desk, second).unusual
    assert FIRST in look(desk, other).unusual


def test_of_two_requests_of_one_moment_one_is_the_first(desk: Desk, world: World) -> None:
    both = [world.add(own_key()), world.add(own_key())]
    assert sum(FIRST in look(desk, one).unusual for one in both) == 1


def test_whoever_is_anonymous_has_no_first_request(desk: Desk, world: World) -> None:
    assert FIRST not in look(desk, world.add(own_key(), requester=None)).unusual


def test_a_name_is_new_until_a_certificate_has_it(desk: Desk, world: World) -> None:
    before = world.add(own_key())
    one = world.add(own_key())
    assert NEW_NAME in look(desk, one).unusual  # only asked for, by another request
    world.issue(before, "www.example.com")
    assert NEW_NAME not in look(desk, one).unusual


def test_which_of_several_names_are_new_is_told(desk: Desk, world: World) -> None:
    hosts = ["www.example.com", *(f"h{number}.example.com" for number in range(5))]
    one = world.add(own_key(*hosts))
    assert NEW_NAMES in look(desk, one).unusual
    world.issue(world.add(own_key()), "www.example.com", "h4.example.com")
    told = "Never issued before: DNS:h0.example.com, DNS:h1.example.com, DNS:h2.example.com and 1 more."
    assert told in look(desk, one).unusual


@pytest.mark.parametrize(
    ("requester", "issued", "told"),
    [
        ("requester", False, set()),  # asked again, perhaps after a rejection
        ("requester", True, {OLD_KEY}),
        ("another", False, {OTHERS_KEY}),
        ("another", True, {OTHERS_KEY, OLD_KEY}),
        (None, False, {OTHERS_KEY}),
    ],
)
def test_a_key_that_came_before_is_told(
    desk: Desk, world: World, requester: str | None, issued: bool, told: set[str]
) -> None:
    csr = own_key()
    before = world.add(csr, requester=requester)
    if issued:
        world.move(before, State.ISSUED)
    world.add(own_key(), requester="another")  # another key
    found = look(desk, world.add(csr)).unusual
    assert {OTHERS_KEY, OLD_KEY} & set(found) == told


def test_dropped_extensions_are_told(desk: Desk, world: World) -> None:
    wished = x509.BasicConstraints(ca=True, path_length=None)
    one = world.add(make_csr(extensions=[wished]))
    assert "It asks for extensions that are dropped." in look(desk, one).unusual
    granted = world.add(make_csr(extensions=[x509.ExtendedKeyUsage([SERVER_AUTH])]))
    for usual in (granted, world.add()):
        assert "It asks for extensions that are dropped." not in look(desk, usual).unusual


def test_the_past_of_many_is_that_of_each(desk: Desk, world: World) -> None:
    ids = [world.add(own_key(f"h{number}.example.com"), requester=None) for number in range(310)]
    world.issue(ids[0], "h309.example.com")
    requests = [look(desk, one).request for one in ids]
    new = [bool(one.past and one.past.new_names) for one in desk.look_at_all(requests)]
    assert new == [True] * 309 + [False]


def test_the_history_shows_requester_key_and_names(desk: Desk, world: World) -> None:
    csr = make_csr(["www.example.com", "new.example.com"])
    first = world.add(csr, created_at=NOON - timedelta(days=9))
    world.issue(first, "www.example.com")
    others = world.add(csr, requester="another\x1b[2J", created_at=NOON - timedelta(days=1))
    shown = look(desk, world.add(csr))
    told = text(history_view.view(desk.history(shown)))
    assert told.splitlines() == [
        "Other requests of this requester, the newest (first on 2026-02-20 12:00 UTC)",
        f"  {first}  2026-02-20 12:00 UTC",
        "    issued, server, by “requester”",
        "Other requests with this key",
        f"  {others}  2026-02-28 12:00 UTC",
        "    waiting for approval, server, by “another\\x1b[2J”",
        f"  {first}  2026-02-20 12:00 UTC",
        "    issued, server, by “requester”",
        "Certificates for its names, the newest",
        "DNS:www.example.com",
        f"  {first}  2026-02-20 12:00 UTC",
        "    issued, server, by “requester”",
        "DNS:new.example.com",
        "  never issued",
    ]


def test_the_history_of_what_never_came_says_so(desk: Desk, world: World) -> None:
    told = text(history_view.view(desk.history(look(desk, world.add(requester=None)))))
    assert told.splitlines() == [
        "No other request of a known requester",
        "  none",
        "Other requests with this key",
        "  none",
        "Certificates for its names, the newest",
        "DNS:www.example.com",
        "  never issued",
    ]
