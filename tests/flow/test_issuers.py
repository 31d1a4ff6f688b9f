"""Several issuing CAs: which one signs, the change from one to the next, and the end of one."""

from datetime import timedelta

import pytest
from cryptography import x509
from sqlalchemy import delete, select
from structlog.testing import capture_logs

from pipeline.actors.patience import Patience
from pipeline.actors.signer import bind_signer
from pipeline.broker.memory import MemoryBroker
from pipeline.errors import SettingsError
from pipeline.run.signer_clock import SignerClock
from pipeline.run.signer_side import open_signer_side
from pipeline.setup import files
from pipeline.setup.ca import make_issuing, make_root
from pipeline.setup.issuing import as_toml, settings_for
from pipeline.signer import tables as signer_tables
from pipeline.signer.keys import file as key_file
from pipeline.signer.reconcile import reconcile
from pipeline.web import authorities
from pipeline.web import tables as web_tables
from pipeline.web.export import lines
from settings.issuer import THE_ONE
from settings.signer import load_signer
from tests import factories
from tests.flow.world import POLICY, RELAY, SIGN, State, World

FIRST, NEXT = as_toml(THE_ONE), as_toml(settings_for("next"))
RETIRING = FIRST + "retiring = true\n"


def restart_signer(world: World, *tables: str, policy: str = "") -> None:
    """Start the signer side anew, with these issuing CAs and this policy."""
    folder = world.directory / "signer"
    settings = folder / "settings.toml"
    plain = settings.read_text("utf-8").partition("\n[[issuers]]")[0]
    settings.write_text(plain + "\n" + "\n".join(tables))
    if policy:
        (folder / "policy.toml").write_text(policy)
    opened = open_signer_side(
        load_signer(folder),
        folder,
        world.signer_database,
        signs=True,
        exchange=world.exchange,
        clock=world.time,
    )
    world.signer = opened.side
    bind_signer(opened.broker, opened.side, Patience())
    assert isinstance(opened.broker, MemoryBroker)
    world.brokers |= dict.fromkeys(opened.broker.queues, opened.broker)
    world.signer_clock = SignerClock(opened.side)


def make_next(world: World, days: float = 1000, name: str = "next") -> None:
    """Put another issuing CA, of a root of its own, into the signer's folder."""
    folder = world.directory / "signer" / "ca"
    root_key, key = key_file.generate("ec:P-384"), key_file.generate("rsa:2048")
    moment = world.time() - timedelta(minutes=10)
    root = make_root(root_key, "Other Root", moment, factories.new_serial())
    issuing = make_issuing(
        key.public_key,
        name,
        root,
        root_key,
        moment,
        factories.new_serial(),
        lifetime=timedelta(days=days),
    )
    key_file.save(folder / f"{name}.key", key, None)
    files.write_certificate(folder / f"{name}.pem", issuing)
    files.write_certificate(folder / f"{name}.root.pem", root)


def policy_with_issuer(world: World, issuer: str) -> str:
    text = (world.directory / "signer" / "policy.toml").read_text("utf-8")
    return text.replace("[profiles.client]", f'[profiles.client]\nissuer = "{issuer}"')


def issuer_of(world: World, request_id: str) -> str:
    certificate = x509.load_der_x509_certificate(world.certificate(request_id))
    return certificate.issuer.rfc4514_string()


@pytest.fixture
def two(world: World) -> World:
    """A signer with two issuing CAs."""
    make_next(world)
    restart_signer(world, FIRST, NEXT)
    return world


def test_the_first_issuer_signs_unless_the_profile_names_another(world: World) -> None:
    make_next(world)
    restart_signer(world, FIRST, NEXT, policy=policy_with_issuer(world, "next"))
    server = world.submit("a.test", run=True)
    client = world.submit("b.test", profile="client", run=True)
    assert issuer_of(world, server) == "CN=HttpCA Issuing CA"
    assert issuer_of(world, client) == "CN=next"


def test_the_web_side_lists_every_issuer(two: World) -> None:
    two.signer_clock.announce()
    two.run()
    with two.web_database.read() as connection:
        subjects = {one.chain[0].subject for one in authorities.known(connection)}
        assert subjects == {"CN=HttpCA Issuing CA", "CN=next"}
        assert authorities.roots(connection).count("BEGIN CERTIFICATE") == 2


def test_requests_under_way_end_under_the_issuer_that_they_began_with(two: World) -> None:
    waiting = two.submit("www.example.com", run=True)
    assert two.states(waiting) == (State.WAITING_FOR_APPROVAL, State.WAITING_FOR_APPROVAL)

    restart_signer(two, RETIRING, NEXT)
    new = two.submit("a.test", run=True)
    two.decide(waiting, "accept")

    assert issuer_of(two, new) == "CN=next"
    assert issuer_of(two, waiting) == "CN=HttpCA Issuing CA"


def test_certificates_of_an_issuer_that_is_gone_are_told_with_it(two: World) -> None:
    request_id = two.submit("a.test")
    for stage in (RELAY, POLICY, SIGN):
        for octets in two.waiting(stage):
            two.deliver(stage, octets)
    two.purge()
    assert two.states(request_id) == (State.RELAYED, State.ISSUED)

    restart_signer(two, NEXT)
    two.time.move(minutes=5)
    two.sweep()

    assert issuer_of(two, request_id) == "CN=HttpCA Issuing CA"
    with two.web_database.read() as connection:
        (told,) = authorities.known(connection)
        held = connection.scalar(select(web_tables.certificates.c.issuer))
    assert told.fingerprint == held
    root = (two.directory / "signer/ca/root.pem").read_text()
    assert told.root.pem == root


def test_a_restored_signer_learns_certificates_of_an_issuer_that_is_gone(two: World) -> None:
    request_id = two.submit("a.test", run=True)
    tables = signer_tables
    with two.signer_database.write() as connection:
        for name in ("issued_names", "certificates", "tbs", "submissions", "requests"):
            connection.execute(delete(tables.metadata.tables[name]))
    restart_signer(two, NEXT)

    exported = list(lines(two.web_database))
    done = reconcile(two.signer_database, two.signer.issuers, exported, "operator", two.time())

    assert done == {"certificate imported": 1}
    assert issuer_of(two, request_id) == "CN=HttpCA Issuing CA"


def test_a_request_whose_issuer_is_gone_fails_with_the_reason(two: World) -> None:
    request_id = two.submit("www.example.com", run=True)
    restart_signer(two, NEXT)
    two.decide(request_id, "accept")
    row = two.signer_row(request_id)
    assert row.state == State.FAILED
    assert "issuing CA" in row.reason
    assert "no longer here" in row.reason


def test_a_certificate_ends_with_its_issuer_and_that_is_warned_of(world: World) -> None:
    make_next(world, days=30)
    restart_signer(world, NEXT)
    with capture_logs() as logged:
        request_id = world.submit("a.test", run=True)
        world.signer_clock.look_ahead()

    certificate = x509.load_der_x509_certificate(world.certificate(request_id))
    issuer = world.signer.issuers.current
    assert certificate.not_valid_after_utc == issuer.not_after
    (cut,) = [entry for entry in logged if entry["event"] == "validity-cut-short"]
    assert (cut["request_id"], cut["issuer"]) == (request_id, "next")
    (warned,) = [entry for entry in logged if entry["event"] == "issuer-cuts-short"]
    assert (warned["issuer"], warned["profile"]) == ("next", "email")  # the longest profile


def test_an_issuer_is_warned_of_long_before_it_cuts_anything_short(world: World) -> None:
    make_next(world, days=120)
    restart_signer(world, FIRST, NEXT, policy=policy_with_issuer(world, "next"))
    with capture_logs() as logged:
        request_id = world.submit("b.test", profile="client", run=True)
        world.signer_clock.look_ahead()
    world.certificate(request_id)
    events = [(entry["event"], entry.get("issuer")) for entry in logged]
    assert ("issuer-will-cut-short", "next") in events
    assert not [
        event for event, _ in events if event in ("issuer-cuts-short", "validity-cut-short")
    ]


def test_a_policy_that_names_an_unknown_issuer_is_refused(two: World) -> None:
    restart_signer(two, RETIRING, NEXT)
    policies = {name: policy_with_issuer(two, name) for name in ("nobody", "issuing")}
    for name, policy in policies.items():  # the second is retiring
        with pytest.raises(SettingsError, match=rf"no issuer '{name}'.* allowed are next"):
            restart_signer(two, RETIRING, NEXT, policy=policy)


def test_a_retiring_issuer_that_is_over_is_left_out_and_the_others_work(world: World) -> None:
    make_next(world, days=1, name="old")
    make_next(world)
    world.time.move(days=2)
    with capture_logs() as logged:
        restart_signer(world, NEXT, as_toml(settings_for("old")) + "retiring = true\n")
    assert ("issuer-is-over", "old") in [(one["event"], one.get("issuer")) for one in logged]
    assert issuer_of(world, world.submit("a.test", run=True)) == "CN=next"


def test_an_issuer_of_two_names_is_refused(two: World) -> None:
    again = as_toml(THE_ONE).replace('"issuing"', '"again"')
    with pytest.raises(SettingsError, match="issuing and again have the same certificate"):
        restart_signer(two, FIRST, again)


def test_more_issuers_than_fit_into_one_message_are_all_told(world: World) -> None:
    """After many changes, a signer that tells everything again speaks of many issuers at once."""
    told = []
    for number in range(18):
        make_next(world, name=f"ca-{number}")
        restart_signer(world, as_toml(settings_for(f"ca-{number}")))
        told.append(world.submit(f"a{number}.test"))
        for stage in (RELAY, POLICY, SIGN):
            for octets in world.waiting(stage):
                world.deliver(stage, octets)
        world.purge()
    world.time.move(minutes=5)
    world.sweep()
    assert [issuer_of(world, one) for one in told] == [f"CN=ca-{number}" for number in range(18)]


def test_the_audit_has_each_issuing_ca_when_it_comes_for_the_first_time(world: World) -> None:
    make_next(world)
    restart_signer(world, FIRST, NEXT)
    restart_signer(world, NEXT, RETIRING)
    audit = signer_tables.audit
    with world.signer_database.read() as connection:
        entries = connection.scalars(
            select(audit.c.details).where(audit.c.event == "issuer-first-seen").order_by(audit.c.id)
        ).all()
    assert [entry["name"] for entry in entries] == ["issuing", "next"]
    known = {issuer.name: issuer.fingerprint for issuer in world.signer.issuers.all()}
    assert {entry["name"]: entry["issuer"] for entry in entries} == known
