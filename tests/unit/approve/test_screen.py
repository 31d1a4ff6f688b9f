"""What an approver sees of a request, at 80 columns."""

import re
from datetime import timedelta

import idna
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from pipeline.approve import csr_view
from pipeline.approve.listing import listing
from pipeline.approve.screen import age, screen
from pipeline.states import State
from tests.unit.approve.asked import NOON, make_csr, make_issuer
from tests.unit.approve.seen import LATER, gathered, show, shown
from tests.unit.approve.world import World, decided


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
    request_id = world.add(comment="word " * 300 + "its last word")
    screen_of_it = shown(world, request_id)
    assert "…”" in screen_of_it
    assert "its last word" not in screen_of_it
    view = show(csr_view.view(gathered(world, request_id)))
    assert "its last word" in view
    assert "-----BEGIN CERTIFICATE REQUEST-----" in view
    assert gathered(world, request_id).digest in view


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
