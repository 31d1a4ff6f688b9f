"""A public key that signs nothing."""

from pipeline.crypto.der import BIT_STRING, INTEGER, SEQUENCE, encode


def public_key() -> bytes:
    """Return a public key of Diffie and Hellman (RFC 3279 section 2.3.3). With large numbers it would
    take seconds to load."""
    p, g, q, public = (encode(INTEGER, bytes([number])) for number in (23, 2, 11, 8))
    kind = bytes.fromhex("06072a8648ce3e0201")
    algorithm = encode(SEQUENCE, kind + encode(SEQUENCE, p + g + q))
    return encode(SEQUENCE, algorithm + encode(BIT_STRING, b"\0" + public))
