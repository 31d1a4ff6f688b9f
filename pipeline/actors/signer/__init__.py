"""The signer side's stages."""

from functools import partial

from pipeline.actors.bind import bind
from pipeline.actors.guard import guarded
from pipeline.actors.patience import Patience
from pipeline.actors.signer.decide import decide
from pipeline.actors.signer.policy import policy
from pipeline.actors.signer.sign import sign
from pipeline.actors.signer.transmit import transmit
from pipeline.broker.consumer import GatedBroker
from pipeline.signer.side import SignerSide
from pipeline.stages import DECIDE, POLICY, SIGN, TRANSMIT


def bind_signer(broker: GatedBroker, side: SignerSide, patience: Patience) -> None:
    """Declare the signer side's actors on its broker."""
    bind(broker, POLICY, partial(policy, side, patience), patience)
    bind(broker, DECIDE, guarded(side.tries, partial(decide, side)), patience)
    bind(broker, SIGN, partial(sign, side, patience), patience)
    bind(broker, TRANSMIT, partial(transmit, side, patience), patience)
