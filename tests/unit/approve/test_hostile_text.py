"""Whatever a requester writes, the terminal, its colours and the lines of the screen stay ours."""

import re

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from msgspec.structs import replace
from rich.cells import cell_len

from pipeline.approve import csr_view
from pipeline.approve.listing import listing
from pipeline.approve.screen import screen
from pipeline.crypto.subject import ATTRIBUTES
from pipeline.crypto.visible import visible
from tests import factories
from tests.unit.approve.asked import PROFILE, make_csr
from tests.unit.approve.seen import LATER, gathered, show, shown
from tests.unit.approve.world import World, decided

HOSTILE = [
    "\x1b[2J\x1b[1;1H\x1b[31mred",  # clears, moves, colours
    "\x1b]0;title\x07\x1b]52;c;AAAA\x07",  # window title, clipboard
    "\x9b31m\x90\x9d",  # C1 controls
    "\u202edetrevni\u2066",  # bidirectional override and isolate
    "[bold red]markup[/] [link=http://example.com]x[/link] :warning: \\[",  # rich
    "one\ntwo\rthree\x0bfour\u2028five\x85six",  # every kind of new line
    "\x00\x07\x08\x7f",  # NUL, bell, backspace, delete
    "z" + "\u0301" * 50,  # marks upon marks
    "\u200b\u200d\ufeff\u00ad\u3164",  # nothing to see
    "wide 例え" * 40,
    "x" * 3000,
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_from_a_requester_moves_the_cursor_or_colours_the_terminal(
    world: World, hostile: str
) -> None:
    subject = [(NameOID.ORGANIZATION_NAME, hostile.replace("\x00", "")[:60])]
    request_id = world.add(
        make_csr(subject=subject), requester=hostile[:200], source=hostile[:200], comment=hostile
    )
    reason = hostile.replace("\x00", "")[:2000]  # with NUL it would not have passed the gate
    world.record(decided(request_id, "accept", reason), effect="wrong-digest")
    found = gathered(world, request_id)
    for renderable in (
        screen(found, "approver", LATER),
        csr_view.view(found),
        listing([found], LATER),
        listing([found], LATER, to_decide_on=True),
    ):
        text = show(renderable)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", text)
        assert visible(text.replace("\n", ""), 10**6) == text.replace("\n", "")
        assert all(cell_len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize("hostile", HOSTILE)
def test_the_lines_of_the_screen_stay_ours(world: World, hostile: str) -> None:
    """Nothing that a requester writes begins a line at the left, where our labels are."""
    request_id = world.add(requester=hostile[:200], source=hostile[:200], comment=hostile)
    for whole in (False, True):
        found = [gathered(world, request_id)]
        first, *rest = show(listing(found, LATER, to_decide_on=whole)).splitlines()
        assert first.startswith(request_id)
        assert all(line.startswith("    ") for line in rest)
    labels = {line[:10].strip() for line in shown(world, request_id).splitlines()}
    assert labels <= {
        "Request ──",
        "Id",
        "Asked by",
        "Since",
        "Comment",
        "Rule",
        "",
        "The certif",
        "Subject",
        "Names",
        "Key",
        "Profile",
        "Key use",
        "Valid",
        "Issuer",
    }


def test_markup_is_shown_as_it_is_written(world: World) -> None:
    text = shown(world, world.add(requester="[bold red]root[/] :warning:", comment="[/]"))
    assert "“[bold red]root[/] :warning:”" in text
    assert "“[/]”" in text


def test_colour_is_ours_alone_and_nothing_without_a_terminal_has_any(world: World) -> None:
    request_id = world.add(requester="approver")
    assert "\x1b[" not in shown(world, request_id)
    coloured = shown(world, request_id, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == shown(world, request_id)


@pytest.mark.parametrize("width", [20, 40, 79, 80, 132])
def test_no_line_is_longer_than_the_terminal(world: World, width: int) -> None:
    names = ["a" * 63 + "." + "b" * 63 + ".example"] + [f"h{i}.example.com" for i in range(30)]
    text = shown(world, world.add(make_csr(names), comment="x" * 500), width=width)
    assert all(cell_len(line) <= width for line in text.splitlines())


def test_what_will_be_signed_is_shown_to_its_end_however_long_it_is(world: World) -> None:
    """Of a thousand characters the rest was an ellipsis, and could be anything."""
    path = "/".join(f"{number:04}" for number in range(300))
    uri = f"spiffe://example.org/{path}/the-end"
    long = "o" * 60
    attributes = {"ST": "s", "L": "l", "street": "t", "O": "o", "OU": "u", "UID": "i"}
    parts = [
        x509.NameAttribute(x509.ObjectIdentifier(ATTRIBUTES[kind].oid), letter + "," * 63)
        for kind, letter in attributes.items()
    ] + [
        x509.NameAttribute(x509.ObjectIdentifier(ATTRIBUTES[kind].oid), f"{letter}{',' * 60}end")
        for kind, letter in {"title": "x", "SN": "y", "GN": "z"}.items()
    ]
    profile = replace(
        PROFILE,
        names=("uri",),
        max_name_length=2000,
        description=f"{long * 20} as its description says",
        subject_from_csr=(*attributes, "title", "SN", "GN"),
    )
    octets = factories.csr([f"URI:{uri}"], subject=parts)
    rule = {"name": "a", "action": "approve", "any_name": [f"{n}.{long}.test" for n in range(30)]}
    request_id = world.add(octets, profile=profile.snapshot, rule=rule)
    text = re.sub(r"\n {10}", "", shown(world, request_id))
    assert f"URI:{uri}\n" in text
    assert "as its description says\n" in text
    assert f"29.{long}.test\n" in text
    made = gathered(world, request_id).certificate
    assert made is not None
    assert len(made.subject) > 1000
    assert made.subject in text
