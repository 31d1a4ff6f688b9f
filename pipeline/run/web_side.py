"""Open the web side for its worker and its clock: database, broker, message identity."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.actors.web.side import WebSide
from pipeline.broker.connect import connect
from pipeline.broker.consumer import GatedBroker
from pipeline.broker.memory import Exchange
from pipeline.broker.refusals import Refusals
from pipeline.broker.send import sender
from pipeline.clock import Clock, now
from pipeline.crypto.envelope import Envelope
from pipeline.crypto.expiry import of_messages
from pipeline.crypto.own_identity import OwnIdentity
from pipeline.crypto.trust import Trust
from pipeline.database.engine import Database
from pipeline.database.refused import audit_refusals
from pipeline.stages import Role
from pipeline.web.notify import DELIVERED, announce
from pipeline.web.tables import audit
from settings.credentials import message_passphrase
from settings.web import WebSettings


@dataclass(frozen=True, slots=True)
class OpenedWeb:
    """The web side with its broker."""

    side: WebSide
    broker: GatedBroker
    refusals: Refusals


def open_web_side(
    settings: WebSettings,
    directory: Path,
    database: Database,
    *,
    exchange: Exchange | None = None,
    clock: Clock = now,
) -> OpenedWeb:
    """Open the web side on its database. ``exchange`` is that of the in-memory broker.

    Raises:
        SettingsError: a key, a certificate or the trust folder is missing or wrong.
    """
    passphrase = partial(message_passphrase, directory, settings.message_passphrase_file)
    me = OwnIdentity(directory, Role.WEB, passphrase)
    trust = Trust(directory / "trusted")
    envelope = Envelope(me, trust, clock)
    refusals = Refusals(audit_refusals(database, audit, clock))
    broker = connect(settings.broker, envelope, refusals, exchange, settings.queue_type)
    delivered = partial(announce, database, DELIVERED)
    watched = partial(of_messages, me, trust)
    side = WebSide(database, sender(broker), settings, clock, delivered, watched)
    return OpenedWeb(side, broker, refusals)
