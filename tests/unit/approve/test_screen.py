"""What an approver sees of a request, at 80 columns."""

import io
import re
from datetime import timedelta

import idna
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from rich.cells import cell_len
from rich.console import Console, RenderableType

from pipeline.approve import csr_view, facts, waiting
from pipeline.approve.facts import Facts
from pipeline.approve.listing import listing
from pipeline.approve.screen import age, screen
from pipeline.crypto import csr as csrs
from pipeline.crypto.profile import Profile
from pipeline.crypto.visible import visible
from pipeline.signer import authority
from pipeline.signer.issuer import Issuer
from pipeline.states import State
from tests.unit.approve.world import NOON, PROFILE, World, decided, make_csr, make_issuer

LATER = NOON + timedelta(hours=2)

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


def show(renderable: RenderableType, *, width: int = 80, colour: bool = False) -> str:
    """Render as on a terminal of that width; markup is left on, so that a test would see it."""
    file = io.StringIO()
    Console(
        file=file,
        width=width,
        force_terminal=colour,
        color_system="truecolor" if colour else None,
    ).print(renderable)
    return file.getvalue()


def gathered(world: World, request_id: str) -> Facts:
    request = waiting.get(world.database, request_id)
    assert request is not None
    return facts.gather(request, "approver", LATER)


def shown(world: World, request_id: str, *, width: int = 80, colour: bool = False) -> str:
    return show(screen(gathered(world, request_id), "approver", LATER), width=width, colour=colour)


def test_the_whole_screen_fits_a_terminal_of_80_by_24(world: World) -> None:
    request_id = world.add(
        make_csr(["www.example.com", "example.com"], "www.example.com"),
        request_id="01963d2a-0000-7000-8000-00000000000a",
        comment="For the new shop.",
        rule={"name": "outside", "action": "approve", "any_name": ["*.example.com"], "quorum": 1},
    )
    found = gathered(world, request_id)
    assert found.csr is not None
    issuer = world.issuer.fingerprint(hashes.SHA256()).hex()
    text = shown(world, request_id)
    assert text == (
        "Request ────────────────────────────────────────────────────────────────────────\n"
        "Id        01963d2a-0000-7000-8000-00000000000a\n"
        "Asked by  “requester”, by api (the web side's word)\n"
        "Since     2026-03-01 12:00 UTC, 2 hours ago; waits until 2026-03-31\n"
        "Comment   “For the new shop.”\n"
        "Rule      “outside” (approve) when any_name = *.example.com\n"
        "\n"
        "The certificate would contain\n"
        "Subject   CN=www.example.com\n"
        "Names     DNS:www.example.com\n"
        "          DNS:example.com\n"
        "Key       EC P-256, SPKI SHA-256:\n"
        f"          {found.csr.key.fingerprint}\n"
        "Profile   server: TLS servers\n"
        "Key use   digital signature, server auth; no CA\n"
        "Valid     90d (if issued now, until 2026-05-30)\n"
        "Issuer    CN=Example Issuing CA, SHA-256:\n"
        f"          {issuer}\n"
    )
    assert len(text.splitlines()) <= 22  # two are left for the prompt


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
    ):
        text = show(renderable)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", text)
        assert visible(text.replace("\n", ""), 10**6) == text.replace("\n", "")
        assert all(cell_len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize("hostile", HOSTILE)
def test_the_lines_of_the_screen_stay_ours(world: World, hostile: str) -> None:
    """Nothing that a requester writes begins a line at the left, where our labels are."""
    request_id = world.add(requester=hostile[:200], source=hostile[:200], comment=hostile)
    first, *rest = show(listing([gathered(world, request_id)], LATER)).splitlines()
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


def test_every_name_is_shown_however_many_there_are(world: World) -> None:
    names = [f"host{i}.example.com" for i in range(300)]
    text = shown(world, world.add(make_csr(names)))
    for name in names:
        assert re.search(rf"DNS:{name}\b", text)
    assert "300: DNS:host0.example.com" in text
    assert "! It asks for 300 names." in text


def test_an_international_name_is_shown_both_ways(world: World) -> None:
    text = shown(world, world.add(make_csr(["xn--mnchen-3ya.example"])))
    assert "DNS:xn--mnchen-3ya.example = münchen.example" in text
    assert "!" not in text


def test_a_name_that_looks_like_another_gets_a_warning(world: World) -> None:
    twin = idna.alabel("аррӏе").decode() + ".example"  # noqa: RUF001
    text = shown(world, world.add(make_csr([twin])))
    assert "! “аррӏе” looks like “apple” and is another name." in text  # noqa: RUF001


def test_a_common_name_that_is_too_long_warns_nobody(world: World) -> None:
    found = gathered(world, world.add(make_csr(common_name="x" * 100)))
    assert "CN=" + "x" * 20 in show(screen(found, "approver", LATER))
    assert "CN=" + "x" * 20 in show(csr_view.view(found))


def test_what_the_csr_asks_for_in_vain_is_shown(world: World) -> None:
    csr = make_csr(
        subject=[(NameOID.ORGANIZATION_NAME, "Example")],
        common_name="elsewhere.example",
        extensions=[x509.BasicConstraints(ca=True, path_length=None)],
    )
    text = " ".join(shown(world, world.add(csr)).split())
    assert "Ignored in the CSR: subject O=Example; subject CN=elsewhere.example; " in text
    assert "extension basicConstraints" in text
    assert "Subject empty (the CSR says CN=elsewhere.example,O=Example)" in text


def test_an_anonymous_request_is_not_mistaken_for_a_requester_of_that_name(world: World) -> None:
    assert "Asked by  anonymous, by" in shown(world, world.add(requester=None))
    assert "Asked by  “anonymous”, by" in shown(world, world.add(requester="anonymous"))


def test_ones_own_request_and_a_wildcard_deserve_attention(world: World) -> None:
    text = shown(world, world.add(make_csr(["*.example.com"]), requester="approver"))
    assert "! You asked for this yourself, as far as the web side says: somebody else" in text
    assert "! *.example.com stands for every host there." in text


def test_earlier_decisions_are_shown_with_their_effect(world: World) -> None:
    request_id = world.add(rule={"name": "two of us", "action": "approve", "quorum": 2})
    world.record(decided(request_id, "accept"), "other")
    world.move(request_id, State.WAITING_FOR_APPROVAL)
    world.record(decided(request_id, "reject", "hm"), "approver", effect="wrong-digest")
    text = shown(world, request_id)
    assert "Rule      “two of us” (approve, 2 approvals needed)" in text
    assert "accept by other, 2026-03-01 12:00 UTC (counts)" in text
    assert "reject by you, 2026-03-01 12:00 UTC (did not fit the request): “hm”" in text
    assert "! other has already said accept." in text


def test_what_is_decided_says_by_whom_and_when(world: World) -> None:
    request_id = world.add()
    world.record(decided(request_id, "reject", "unknown host"), "other")
    assert "State     It was rejected by other on 2026-03-01 12:00 UTC: “unknown host”" in shown(
        world, request_id
    )


def test_what_policy_rejected_can_be_looked_at(world: World) -> None:
    request_id = world.add(
        csr=b"no csr",
        profile={},
        rule={"name": "profile", "action": "reject"},
        state=State.REJECTED,
        reason="There is no profile “x”.",
    )
    text = " ".join(shown(world, request_id).split())
    assert "It was rejected by the policy or an operator on" in text
    assert "“There is no profile “x”.”" in text
    assert "! It cannot be accepted. The CSR cannot be shown: There is no CSR" in text


def test_an_issuer_that_ends_soon_cuts_the_certificate_short(world: World) -> None:
    fingerprint = world.add_issuer(make_issuer(timedelta(days=10)))
    text = shown(world, world.add(issuer=fingerprint))
    assert "Valid     until its issuer ends, 2026-03-11" in text
    assert "! It would end early, together with its issuing CA." in text


def test_a_long_comment_is_cut_on_the_screen_and_whole_beside_the_csr(world: World) -> None:
    comment = "word " * 300 + "end"
    request_id = world.add(comment=comment)
    assert "…”" in shown(world, request_id)
    view = show(csr_view.view(gathered(world, request_id)))
    assert "end" in view
    assert "-----BEGIN CERTIFICATE REQUEST-----" in view
    assert gathered(world, request_id).digest in view


PROFILES = {
    "plain": PROFILE,
    "urls": Profile(
        name="urls",
        key_usage=("digital_signature", "key_agreement"),
        extended_key_usage=("client_auth", "1.3.6.1.4.1.99999.1"),
        crl_distribution_points=("http://ca.example/crl",),
        ocsp=("http://ocsp.example",),
        validity="1y",
        backdate="1h",
    ),
    "long": Profile(name="long", validity="20y"),
}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("common_name", [None, "www.example.com", "a" * 60 + ".example.com"])
def test_what_is_shown_is_what_the_signer_would_make(
    world: World, profile: Profile, common_name: str | None
) -> None:
    names = ["www.example.com", "a" * 60 + ".example.com"]
    octets = make_csr(names, common_name)
    found = gathered(world, world.add(octets, profile=profile.snapshot)).certificate
    assert found is not None
    der = world.issuer.public_bytes(Encoding.DER)
    issuer = Issuer(
        world.issuer, world.issuer.fingerprint(hashes.SHA256()).hex(), (der,), der, None
    )
    made = authority.prepare(csrs.read(octets), profile, issuer, LATER, 1)
    certificate = x509.load_der_x509_certificate(authority.assemble(made.tbs, b""))
    assert found.not_after == certificate.not_valid_after_utc
    assert found.subject == certificate.subject.rfc4514_string()
    extensions = certificate.extensions
    san = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in found.names] == san.get_values_for_type(x509.DNSName)
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert all(getattr(usage, name) for name in found.key_usage)
    if profile.extended_key_usage:
        uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert len(found.extended_key_usage) == len(list(uses))


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(seconds=-5), "less than a minute"),
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=119), "1 hour"),
        (timedelta(days=3, hours=5), "3 days"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(passed: timedelta, text: str) -> None:
    assert age(NOON, NOON + passed) == text


def test_the_list_shows_whole_ids_and_what_stands_out(world: World) -> None:
    names = ["*.example.com", "b.example.com", "c.example.com", "d.example.com"]
    request_id = world.add(make_csr(names))
    text = show(listing([gathered(world, request_id)], LATER))
    assert [line.rstrip() for line in text.splitlines()] == [
        f"{request_id}  2 hours",
        "    *.example.com, b.example.com, c.example.com, … (4 names)",
        "    server, by “requester”",
        "    ! *.example.com stands for every host there.",
    ]
