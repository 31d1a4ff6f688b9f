"""Open the signer side for its worker and its clock: database, broker, identity, CA, policy.

The CA's key is loaded only where it signs: in the worker.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
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
from pipeline.database.engine import Database
from pipeline.database.refused import audit_refusals
from pipeline.errors import SettingsError
from pipeline.signer.issuer import Issuer, is_over, load_issuer
from pipeline.signer.issuers import Issuers
from pipeline.signer.keys.load import load_key
from pipeline.signer.mark import Mark
from pipeline.signer.operate import suspend_after_restore
from pipeline.signer.policy import Policy
from pipeline.signer.policy_file import load
from pipeline.signer.policy_record import note_policy, note_problem
from pipeline.signer.policy_source import PolicySource
from pipeline.signer.reach import unfit
from pipeline.signer.side import SignerSide
from pipeline.signer.tables import audit
from pipeline.stages import Role
from settings.credentials import message_passphrase
from settings.load import FILE
from settings.signer import SignerSettings

log = structlog.get_logger(__name__)


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
        policy = PolicySource(
            policy_file,
            lambda found: note_policy(database, found, clock()),
            issuers=settings.active_issuers(),
            troubled=lambda problem: note_problem(database, problem, clock()),
            unfit=lambda found: unfit(found, trusted_approvers(trust), issuers),
        )
    else:
        policy = partial(load, policy_file, settings.active_issuers())
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
        SettingsError: a file, a key, its passphrase or PIN is missing or wrong.
        KeyUnavailable: a token is out of reach for now.
    """
    moment = clock()
    loaded = []
    for wanted in settings.issuing_cas:
        certificate = directory / wanted.certificate
        if wanted.retiring and is_over(certificate, moment):
            # It can sign nothing more; to stop for it would stop the others.
            log.warning("issuer-is-over", issuer=wanted.name)
            continue
        common = f"file:{settings.passphrase_file}" if settings.passphrase_file else ""
        key = load_key(wanted.key, wanted.passphrase or common, directory) if signs else None
        loaded.append(
            load_issuer(
                certificate,
                directory / wanted.root,
                key,
                moment,
                name=wanted.name,
                retiring=wanted.retiring,
            )
        )
    return _distinct(loaded, directory)


def _distinct(loaded: Sequence[Issuer], directory: Path) -> Issuers:
    names: dict[str, str] = {}
    for issuer in loaded:
        if issuer.fingerprint in names:
            problem = f"{names[issuer.fingerprint]} and {issuer.name} have the same certificate"
            raise SettingsError(directory / FILE, "issuers", problem)
        names[issuer.fingerprint] = issuer.name
    return Issuers(loaded)


def _watched(me: OwnIdentity, trust: Trust, issuers: Issuers) -> list[Watched]:
    found = of_messages(me, trust)
    for notice in issuers.notices():
        issuing = x509.load_der_x509_certificate(notice.chain[0])
        root = x509.load_der_x509_certificate(notice.root)
        found.append(watched("issuing-ca", issuing.subject.rfc4514_string(), issuing))
        found.append(watched("root-ca", root.subject.rfc4514_string(), root))
    return found


def policy_problem(settings: SignerSettings, trust: Trust, issuers: Issuers) -> str:
    """Return what is wrong with the policy file of a signer's folder; "" when nothing is."""
    file = Path(settings.directory) / "policy.toml"
    try:
        policy = load(file, settings.active_issuers())
        problems = "; ".join(unfit(policy, trusted_approvers(trust), issuers))
    except SettingsError as error:
        return str(error)
    return f"{file}: {problems}" if problems else ""


def trusted_approvers(trust: Trust) -> set[str]:
    """Return the names of the approvers whose decisions a signer takes."""
    trust.refresh()
    return {one.sender.name for one in trust.certificates() if one.sender.role is Role.APPROVER}
