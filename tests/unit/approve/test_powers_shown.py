"""An approver sees what a certificate will be good for, and what of its CSR was dropped."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from pipeline.approve.as_json import whole
from pipeline.approve.facts import Facts
from pipeline.approve.listing import listing
from pipeline.approve.screen import screen
from pipeline.crypto.profile import Profile
from tests.factories import profile
from tests.unit.approve.asked import make_csr
from tests.unit.approve.seen import LATER, gathered, show
from tests.unit.approve.world import World

CA = profile(
    name="sub-ca",
    ca=True,
    path_length=1,
    names=[],
    key_usage=["key_cert_sign", "crl_sign"],
    subject=["O=Example"],
    permitted_subtrees=["DNS:branch.example", "IP:10.1.0.0/16"],
    excluded_subtrees=["DNS:secret.branch.example"],
    certificate_policies=["1.3.6.1.4.1.55555.1 https://ca.example/cps"],
)


def facts_of(world: World, made_by: Profile, csr: bytes) -> Facts:
    return gathered(world, world.add(csr, profile=made_by.snapshot))


def text_of(found: Facts) -> str:
    return " ".join(show(screen(found, "approver", LATER)).split())


def nameless(**options: Any) -> bytes:
    return make_csr([], common_name="Branch CA", **options)


def test_a_ca_is_shown_with_all_that_it_may_do(world: World) -> None:
    found = facts_of(world, CA, nameless())
    text = text_of(found)
    assert "Subject CN=Branch CA,O=Example Names none" in text
    assert (
        "CA It is a CA, with up to 1 CAs below it, and speaks only for DNS:branch.example,"
        " IP:10.1.0.0/16, and not for DNS:secret.branch.example" in text
    )
    assert "Policy 1.3.6.1.4.1.55555.1 https://ca.example/cps" in text
    assert "no CA;" not in text
    assert "; no CA" not in text
    assert whole(found)["certificate"]["ca"] is True
    assert "It is a CA" in whole(found)["certificate"]["more"][0]


def test_a_ca_that_nothing_constrains_is_shown_as_such(world: World) -> None:
    made_by = profile(ca=True, names=[], key_usage=["key_cert_sign"], unconstrained=True)
    text = text_of(facts_of(world, made_by, nameless()))
    assert "It is a CA, with no CA below it, and speaks for every name" in text


def test_a_responder_that_nobody_asks_about_is_shown_as_such(world: World) -> None:
    made_by = profile(names=[], extended_key_usage=["ocsp_signing"], ocsp_no_check=True)
    text = text_of(facts_of(world, made_by, nameless()))
    assert "Nobody will ask whether it is revoked" in text
    assert "ocsp signing; no CA" in text


def test_what_is_dropped_is_told_by_the_profile_of_the_request(world: World) -> None:
    csr = make_csr(
        subject=[(NameOID.ORGANIZATION_NAME, "Example")],
        extensions=[x509.BasicConstraints(ca=True, path_length=None)],
    )
    found = facts_of(world, profile(), csr)
    told = (
        "subject O=Example",
        "extension basicConstraints (to be a CA), a power that the profile does not give",
    )
    assert found.certificate is not None
    assert found.certificate.dropped == told
    assert whole(found)["ignored"] == list(told)
    assert "; ".join(told) in text_of(found)
    taken = facts_of(world, profile(subject_from_csr=["O"]), csr)
    assert taken.certificate is not None
    assert taken.certificate.subject == "O=Example"
    assert taken.certificate.dropped == told[1:]


def test_a_certificate_that_cannot_be_made_cannot_be_accepted(world: World) -> None:
    made_by = profile(subject_from_csr=["O"], subject_required=["O"])
    found = facts_of(world, made_by, make_csr())
    assert found.certificate is None
    assert "The certificate cannot be made: Profile “server” wants “O”" in found.unacceptable


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Ex\u0430mple Programs", "“ex\u0430mple” mixes the scripts Cyrillic and Latin."),
        ("\u0421\u041e\u0420\u0415", "“\u0441\u043e\u0440\u0435” looks like “cope”"),
        ("B\u00fcro M\u00fcller-L\u00fcdenscheid 7", ""),
        ("\u682a\u5f0f\u4f1a\u793e Example", ""),
    ],
)
def test_an_approver_is_told_of_look_alikes_in_what_a_subject_takes_from_the_csr(
    world: World, text: str, told: str
) -> None:
    """Of a program, the subject is all that its users see."""
    made_by = profile(names=[], extended_key_usage=["code_signing"], subject_from_csr=["O", "CN"])
    found = facts_of(world, made_by, make_csr([], "Build", [(NameOID.ORGANIZATION_NAME, text)]))
    assert any(told in one for one in found.unusual) if told else not found.unusual


def test_what_would_have_its_issuers_name_cannot_be_accepted(world: World) -> None:
    """It was accepted, and failed when it was to be signed."""
    made_by = profile(ca=True, names=[], key_usage=["key_cert_sign"], unconstrained=True)
    found = facts_of(world, made_by, make_csr([], common_name="example ISSUING ca"))
    assert "would have the name of its issuing CA" in found.unacceptable
    assert not facts_of(world, made_by, nameless()).unacceptable


def test_the_list_knows_a_request_without_names_by_its_subject(world: World) -> None:
    assert "CN=Branch CA,O=Example" in show(listing([facts_of(world, CA, nameless())], LATER))
