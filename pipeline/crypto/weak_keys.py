"""Public keys whose private key can be found: refused whatever a profile says.

Sources: CA/Browser Forum Baseline Requirements section 6.1.1.3; Fermat, Heninger et al. 2022
(CVE-2022-26320); ROCA, Nemec et al. 2017 (CVE-2017-15361); small-order points, RFC 7748 section 7.
That a point lies on its curve is checked by the library when it reads the key.
"""

from functools import cache
from math import gcd, isqrt, prod
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from pipeline.crypto.public_keys import MAX_RSA, MIN_RSA
from pipeline.crypto.visible import visible
from pipeline.errors import N_, Refused

FERMAT_ROUNDS: Final = 100
SMALL_FACTORS_BELOW: Final = 752
"""Both as the Baseline Requirements have them."""

# The primes whose product divides every modulus generator of the flawed library (up to 512-bit
# primes; larger keys use more of them), so a flawed modulus is a power of 65537 modulo each.
_ROCA_PRIMES_TO: Final = 167

TOO_SHORT: Final = N_(
    "The RSA key has only %(bits)d bits, which is too weak. Make a new key of at least 2048 bits,"
    " or an EC P-256 key."
)
TOO_LONG: Final = N_(
    "The RSA key has %(bits)d bits; more than 16384 are not used. Make a new, shorter key."
)
EXPONENT: Final = N_(
    "The RSA key has the public exponent %(exponent)s. Make a new key with the usual exponent"
    " 65537."
)
SMALL_FACTOR: Final = N_(
    "The RSA key is broken: its modulus has a small factor. Make a new key with another program."
)
CLOSE_PRIMES: Final = N_(
    "The RSA key is broken: its two primes are so close that anybody can find them. Make a new key"
    " with another program."
)
ROCA: Final = N_(
    "The RSA key was made by a device with the ROCA flaw (CVE-2017-15361), and its private key can"
    " be found. Make a new key elsewhere, or update the device."
)
SMALL_ORDER: Final = N_(
    "The Ed25519 key is broken: anybody can make signatures for it. Make a new key."
)


def refuse_if_weak(key: PublicKeyTypes) -> None:
    """Check a key for known weaknesses, in well under a tenth of a millisecond.

    Raises:
        Refused: ``weak-key``, with the reason.
    """
    if isinstance(key, RSAPublicKey):
        _refuse_weak_rsa(key)
    elif isinstance(key, Ed25519PublicKey) and _has_small_order(key.public_bytes_raw()):
        raise Refused("weak-key", SMALL_ORDER)


def _refuse_weak_rsa(key: RSAPublicKey) -> None:
    if key.key_size < MIN_RSA:
        raise Refused("weak-key", TOO_SHORT, bits=key.key_size)
    if key.key_size > MAX_RSA:
        raise Refused("weak-key", TOO_LONG, bits=key.key_size)
    numbers = key.public_numbers()
    if numbers.e != 65537:
        # Python refuses to write thousands of digits in decimal.
        shown = str(numbers.e) if numbers.e.bit_length() <= 1024 else hex(numbers.e)
        raise Refused("weak-key", EXPONENT, exponent=visible(shown, 20))
    if gcd(numbers.n, _small_primes_product()) != 1:
        raise Refused("weak-key", SMALL_FACTOR)
    if has_roca_fingerprint(numbers.n):
        raise Refused("weak-key", ROCA)
    if has_close_primes(numbers.n):
        raise Refused("weak-key", CLOSE_PRIMES)


def has_roca_fingerprint(modulus: int) -> bool:
    """Return whether the modulus is a power of 65537 modulo each of the flawed library's primes.

    A sound modulus is so with a probability of about 2 to the -27th.
    """
    return all(modulus % prime in powers for prime, powers in _roca_powers())


def has_close_primes(modulus: int, rounds: int = FERMAT_ROUNDS) -> bool:
    """Return whether Fermat's method factors the modulus within that many rounds."""
    root = isqrt(modulus)
    if root * root == modulus:
        return True
    middle = root + 1
    rest = middle * middle - modulus
    for _ in range(rounds):
        # Only 12 of 64 residues are squares; the exact test is left for those.
        if (rest & 63) in _SQUARES_MODULO_64 and isqrt(rest) ** 2 == rest:
            return True
        rest += 2 * middle + 1
        middle += 1
    return False


_SQUARES_MODULO_64: Final = frozenset(n * n % 64 for n in range(64))

_P25519: Final = 2**255 - 19
_ORDER_8_Y: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y: Final = frozenset({0, 1, _P25519 - 1, _ORDER_8_Y, _P25519 - _ORDER_8_Y})
"""The y coordinates of the eight points of small order."""


def _has_small_order(encoded: bytes) -> bool:
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    return y % _P25519 in _SMALL_ORDER_Y


def _primes(below: int) -> list[int]:
    return [n for n in range(2, below) if all(n % d for d in range(2, isqrt(n) + 1))]


@cache
def _small_primes_product() -> int:
    return prod(_primes(SMALL_FACTORS_BELOW))


@cache
def _roca_powers() -> tuple[tuple[int, frozenset[int]], ...]:
    tests = [
        (prime, frozenset(pow(65537, k, prime) for k in range(prime - 1)))
        for prime in _primes(_ROCA_PRIMES_TO + 1)
        if prime > 2
    ]
    # Primes of which 65537 generates everything exclude nothing.
    useful = [(prime, powers) for prime, powers in tests if len(powers) < prime - 1]
    return tuple(sorted(useful, key=lambda test: len(test[1]) / test[0]))
