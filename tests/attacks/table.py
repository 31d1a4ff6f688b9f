"""Every attack that we know, in one table."""

from tests.attacks.attack import Attack, Vain
from tests.attacks.on_addresses import ADDRESSES
from tests.attacks.on_certificates import CERTIFICATES
from tests.attacks.on_effects import VAIN
from tests.attacks.on_headers import HEADERS
from tests.attacks.on_payloads import PAYLOADS
from tests.attacks.on_signatures import SIGNATURES
from tests.attacks.on_tokens import HEADERS_OF_AMQP, TOKENS

AT_THE_GATE: list[Attack] = [
    *TOKENS,
    *HEADERS_OF_AMQP,
    *HEADERS,
    *SIGNATURES,
    *CERTIFICATES,
    *ADDRESSES,
    *PAYLOADS,
]
"""What the gate must refuse."""

BEHIND_THE_GATE: list[Vain] = VAIN
"""What the gate admits and the stages must ignore."""

COUNT = len(AT_THE_GATE) + len(BEHIND_THE_GATE)
