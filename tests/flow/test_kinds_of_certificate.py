"""Kinds of certificate on their whole way: a CA below ours waits, and is issued as it was shown."""

from pathlib import Path

import msgspec
import pytest
from cryptography import x509

import settings
from pipeline.approve import facts, waiting
from pipeline.approve.as_json import whole
from pipeline.errors import Refused
from pipeline.web.intake import Intake
from pipeline.web.submit import Wish, submit
from tests import factories
from tests.flow.conftest import MakeWorld
from tests.flow.world import World

FOLDER = Path(settings.__file__).parent
MORE = (FOLDER / "more-profiles.toml").read_text("utf-8")
NAMELESS = ["code-signing", "ocsp-responder", "sub-ca"]
SIGNS_ALL = '\n[[rules]]\nname = "whatever comes"\naction = "sign"\n'
CA_CSR = factories.openssl_csr(
    names=(),
    subject="/CN=Branch CA",
    options=("-addext", "basicConstraints=critical,CA:TRUE,pathlen:0"),
)


def ask(world: World, csr: bytes, profile: str) -> str:
    """Submit as the form does where these profiles are offered; return the request's id."""
    offered = msgspec.structs.replace(
        world.web.settings,
        profiles=[*world.web.settings.profiles, *NAMELESS],
        profiles_without_names=NAMELESS,
    )
    found = submit(
        Intake(world.web_database), offered, Wish(csr, profile, "web", "somebody"), world.time
    )
    world.web_clock.sweep()
    world.run()
    return found.id


def test_a_ca_below_ours_waits_whatever_the_rules_sign_and_is_issued_as_shown(
    make_world: MakeWorld,
) -> None:
    world = make_world(rules=f"{MORE}{SIGNS_ALL}", ca_path_length=1)
    assert world.states(ask(world, factories.openssl_csr(), "server")) == ("issued", "issued")
    request_id = ask(world, CA_CSR, "sub-ca")
    assert world.states(request_id) == ("waiting_for_approval",) * 2
    request = waiting.get(world.signer_database, request_id)
    assert request is not None
    shown = facts.gather(request, "approver", world.time())
    assert shown.certificate is not None
    assert whole(shown)["certificate"]["ca"] is True
    ((label, sentence),) = shown.certificate.powers
    assert (label, "speaks only for DNS:branch.example.com" in sentence) == ("CA", True)
    world.decide(request_id, "accept")
    assert world.states(request_id) == ("issued", "issued")
    made = x509.load_der_x509_certificate(world.certificate(request_id))
    assert made.subject.rfc4514_string() == shown.certificate.subject == "CN=Branch CA,O=Example"
    constraints = made.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints == x509.BasicConstraints(ca=True, path_length=0)


def test_a_ca_for_which_its_issuer_has_no_room_is_never_issued(make_world: MakeWorld) -> None:
    """The policy is told to be unfit at the start, and the signer goes on with it: the last look is
    that of the stage which signs."""
    world = make_world(rules=MORE)
    request_id = ask(world, CA_CSR, "sub-ca")
    world.decide(request_id, "accept")
    assert world.states(request_id) == ("failed", "failed")
    assert "allows 0 CAs below it" in world.signer_row(request_id).reason


@pytest.mark.parametrize(
    ("names", "profile", "state"),
    [
        (["DNS:www.shop.test"], "server", "issued"),
        (["DNS:www.shop.test"], "server-client", "issued"),
        (["DNS:www.shop.invalid"], "server", "rejected"),
        (["DNS:www.shop.example"], "server", "waiting_for_approval"),
        (["email:user@shop.test"], "email", "waiting_for_approval"),
        (["URI:spiffe://shop.test/service"], "spiffe", "waiting_for_approval"),
    ],
)
def test_the_shipped_rules_sign_internal_names_only(
    world: World, names: list[str], profile: str, state: str
) -> None:
    request_id = ask(world, factories.csr(names), profile)
    assert world.states(request_id) == (state, state)


def test_a_csr_that_asks_to_be_a_ca_is_refused_by_the_shipped_profiles(world: World) -> None:
    csr = factories.openssl_csr(options=("-addext", "basicConstraints=critical,CA:TRUE"))
    request_id = ask(world, csr, "server")
    assert world.states(request_id) == ("rejected", "rejected")
    assert (
        "asks for the extension “basicConstraints (to be a CA)”" in world.web_row(request_id).reason
    )


def test_a_subject_alone_is_enough_only_where_the_web_side_says_so(world: World) -> None:
    csr = factories.openssl_csr(names=(), subject="/CN=www.shop.test")
    with pytest.raises(Refused, match="no subject alternative names"):
        ask(world, csr, "server")
    assert ask(world, csr, "code-signing")
