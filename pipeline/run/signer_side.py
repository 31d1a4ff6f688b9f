"""Open the signer side for its worker and its clock: database, broker, identity, CA, policy.

The CA's key is loaded only where it signs: in the worker.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography import x509

from pipeline.broker.connect import connect
from pipeline.broker.consumer import GatedBroker
from pipeline.broker.memory import Exchange
from pipeline.broker.refusals import Refusals
from pipeline.broker.send import sender
from pipeline.clock import Clock, now
from pipeline.crypto.envelope import Envelope
from pipeline.crypto.expiry import Watched, of_messages, watched
from pipeline.crypto.own_identity import OwnIdentity
from pipeline.crypto.trust import Trust
from pipeline.database.advance import record
from pipeline.database.engine import Database
from pipeline.database.refused import audit_refusals
from pipeline.signer.issuer import load_issuer
from pipeline.signer.issuers import Issuers
from pipeline.signer.keys import file as key_file
from pipeline.signer.mark import Mark
from pipeline.signer.operate import suspend_after_restore
from pipeline.signer.policy import Policy
from pipeline.signer.policy_file import load
from pipeline.signer.policy_source import PolicySource
from pipeline.signer.side import SignerSide
from pipeline.signer.tables import audit
from pipeline.stages import Role
from settings.credentials import message_passphrase
from settings.passphrase import read_passphrase
from settings.signer import SignerSettings


@dataclass(frozen=True, slots=True)
class OpenedSigner:
    """The signer side with its broker."""

    side: SignerSide
    broker: GatedBroker
    refusals: Refusals


def open_signer_side(
    settings: SignerSettings,
    directory: Path,
    database: Database,
    *,
    signs: bool,
    exchange: Exchange | None = None,
    clock: Clock = now,
) -> OpenedSigner:
    """Open the signer side on its database. ``exchange`` is that of the in-memory broker.

    Where it ``signs``, the CA's key is loaded, and the database is told of CA and policy.

    Raises:
        SettingsError: a key, a certificate, the policy or the trust folder is missing or wrong.
    """
    passphrase = partial(message_passphrase, directory, settings.message_passphrase_file)
    me = OwnIdentity(directory, Role.SIGNER, passphrase)
    trust = Trust(directory / "trusted")
    envelope = Envelope(me, trust, clock)
    refusals = Refusals(audit_refusals(database, audit, clock))
    broker = connect(settings.broker, envelope, refusals, exchange, settings.queue_type)
    issuers = load_issuers(settings, directory, clock, signs=signs)
    mark = Mark(directory / "data")
    policy_file = directory / "policy.toml"
    policy: Callable[[], Policy]
    if signs:
        with database.write() as connection:
            issuers.register(connection, clock())
            forgotten = mark.missing_from(connection)
        if forgotten is not None:
            suspend_after_restore(database, forgotten, clock())
        policy = PolicySource(policy_file, partial(_note_policy, database, clock))
    else:
        policy = partial(load, policy_file)
    side = SignerSide(
        database,
        sender(broker),
        settings,
        clock,
        os.urandom,
        policy,
        issuers,
        mark,
        trust,
        partial(_watched, me, trust, issuers),
    )
    return OpenedSigner(side, broker, refusals)


def load_issuers(
    settings: SignerSettings, directory: Path, clock: Clock, *, signs: bool
) -> Issuers:
    """Load the issuing CAs of a signer's folder; their keys only where it ``signs``.

    Raises:
        SettingsError: a file is missing or wrong.
    """
    folder = directory / "ca"
    key = None
    if signs:
        file = settings.passphrase_file
        passphrase = read_passphrase(directory / file) if file else None
        key = key_file.load(folder / "issuing.key", passphrase)
    return Issuers([load_issuer(folder / "issuing.pem", folder / "root.pem", key, clock())])


def _watched(me: OwnIdentity, trust: Trust, issuers: Issuers) -> list[Watched]:
    found = of_messages(me, trust)
    for notice in issuers.notices():
        issuing = x509.load_der_x509_certificate(notice.chain[0])
        root = x509.load_der_x509_certificate(notice.root)
        found.append(watched("issuing-ca", issuing.subject.rfc4514_string(), issuing))
        found.append(watched("root-ca", root.subject.rfc4514_string(), root))
    return found


def _note_policy(database: Database, clock: Clock, policy: Policy) -> None:
    with database.write() as connection:
        details = {"digest": policy.digest, "rules": len(policy.rules)}
        record(connection, audit, "policy-loaded", details, clock())
