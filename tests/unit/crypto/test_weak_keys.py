"""The weak moduli here are constructed, to have exactly one weakness each; their factors need not
be primes for that."""

from math import gcd, isqrt, prod

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.crypto import weak_keys
from pipeline.errors import Refused
from tests.factories import openssl_key


def primes(below: int) -> list[int]:
    return [n for n in range(2, below) if all(n % d for d in range(2, isqrt(n) + 1))]


SMALL = prod(primes(752))


def without_small_factors(start: int, step: int = 2) -> int:
    """Return the first number from ``start`` on that the small factor test lets pass."""
    while gcd(start, SMALL) != 1:
        start += step
    return start


FAR = without_small_factors(2**1024 + 1), without_small_factors(3 * 2**1022 + 1)
"""Two factors as far apart as those of a sound key."""


def rsa(modulus: int, exponent: int = 65537) -> RSAPublicKey:
    return RSAPublicNumbers(exponent, modulus).public_key()


def close(distance: int) -> int:
    """Return a modulus whose factors are about this far apart."""
    low = without_small_factors(2**1024 + 2**1000 + 1)
    return low * without_small_factors(low + distance)


def roca() -> int:
    """Return a modulus as the flawed library makes them: k·M + (65537^a mod M), twice."""
    product = prod(primes(168))
    factors = []
    for k, power in ((2**806 + 1, 12345), (2**805 + 7, 54321)):
        start = k * product + pow(65537, power, product)
        factors.append(without_small_factors(start | 1, 2 * product))
    assert all(factor % 2 for factor in factors)
    return prod(factors)


WEAK = [
    (lambda: rsa(FAR[0] * FAR[1], 3), weak_keys.EXPONENT),
    (lambda: rsa(FAR[0] * FAR[1], 17), weak_keys.EXPONENT),
    (lambda: rsa(FAR[0] * FAR[1], 2**64 + 13), weak_keys.EXPONENT),  # slow to verify with
    (lambda: rsa(2**16383 + 1, 2**16000 + 1), weak_keys.EXPONENT),  # thousands of digits
    (lambda: rsa(2**2047 + 2**1001), weak_keys.SMALL_FACTOR),  # even
    (lambda: rsa(3 * without_small_factors(2**2046 + 1)), weak_keys.SMALL_FACTOR),
    (lambda: rsa(751 * without_small_factors(2**2040 + 1)), weak_keys.SMALL_FACTOR),
    (lambda: rsa(FAR[0] ** 2), weak_keys.CLOSE_PRIMES),  # the same prime twice
    (lambda: rsa(close(2)), weak_keys.CLOSE_PRIMES),  # the next prime
    (lambda: rsa(close(2**400)), weak_keys.CLOSE_PRIMES),
    (lambda: rsa(close(2**516)), weak_keys.CLOSE_PRIMES),  # takes Fermat 33 rounds
    (lambda: rsa(roca()), weak_keys.ROCA),
    (lambda: rsa(2**1535 + 1), weak_keys.TOO_SHORT),
    (lambda: rsa(2**2046 + 1), weak_keys.TOO_SHORT),  # 2047 bits
    (lambda: rsa(2**16384 + 1), weak_keys.TOO_LONG),
]


@pytest.mark.parametrize(("make", "template"), WEAK)
def test_a_weak_rsa_key_is_refused_with_the_reason(make: object, template: str) -> None:
    with pytest.raises(Refused) as caught:
        weak_keys.refuse_if_weak(make())  # type: ignore[operator]
    assert (caught.value.slug, caught.value.template) == ("weak-key", template)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("kind", ["rsa:2048", "rsa:3072", "rsa:4096", "ec:P-256", "ed25519"])
def test_a_sound_key_passes(kind: str) -> None:
    key = load_pem_private_key(openssl_key(kind), None).public_key()
    weak_keys.refuse_if_weak(key)


def test_factors_that_are_further_apart_pass() -> None:
    weak_keys.refuse_if_weak(rsa(close(2**520)))
    weak_keys.refuse_if_weak(rsa(FAR[0] * FAR[1]))


def test_the_first_factor_that_is_not_small_passes() -> None:
    weak_keys.refuse_if_weak(rsa(757 * without_small_factors(2**2040 + 1)))


@pytest.mark.parametrize(
    "encoded",
    [
        "0000000000000000000000000000000000000000000000000000000000000000",  # order 4
        "0100000000000000000000000000000000000000000000000000000000000000",  # order 1
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # order 2
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",  # order 8
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",  # order 8
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",  # the other sign
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # 0, written as p
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # 1, written as p + 1
    ],
)
def test_an_ed25519_point_of_small_order_is_refused(encoded: str) -> None:
    with pytest.raises(Refused) as caught:
        weak_keys.refuse_if_weak(Ed25519PublicKey.from_public_bytes(bytes.fromhex(encoded)))
    assert (caught.value.slug, caught.value.template) == ("weak-key", weak_keys.SMALL_ORDER)
