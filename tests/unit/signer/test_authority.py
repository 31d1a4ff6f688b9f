"""The steps in which a certificate is made: prepare, sign, assemble, verify, or use a recorded TBS."""

import secrets
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from pipeline.crypto import public_keys
from pipeline.crypto.csr import Csr
from pipeline.errors import ItemFailed, KeyUnavailable
from pipeline.signer import authority
from pipeline.signer.issuer import Issuer
from tests.factories import NOW, issuer, new_serial, profile, read_csr

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("serial", [1, 127, 128, 255, 256, (1 << 153) - 1, 1 << 152])
@pytest.mark.parametrize("end", [1, 364, 8400, 8750, 9000, 36500])
def test_what_is_put_together_is_what_the_library_makes(serial: int, end: int) -> None:
    for csr in (read_csr(), read_csr(common_name="www.example.test")):
        by = replace(issuer(), name="of long life")
        vars(by)["not_after"] = by.not_before + timedelta(days=40_000)
        made = authority.prepare(csr, profile(validity=f"{end}d"), by, NOW, serial)

        again = x509.load_der_x509_certificate(made.certificate)

        assert again.tbs_certificate_bytes == made.tbs
        assert (again.serial_number, again.not_valid_after_utc) == (serial, made.not_after)


def test_a_certificate_never_begins_before_its_issuer_nor_outlives_it() -> None:
    by = issuer()
    early = authority.prepare(read_csr(), profile(backdate="1h"), by, by.not_before, 1)
    assert early.not_before == by.not_before
    late = authority.prepare(read_csr(), profile(), by, by.not_after - timedelta(days=1), 1)
    assert late.not_after == by.not_after
    last = authority.prepare(read_csr(), profile(), by, by.not_after, 1)
    assert last.not_after == by.not_after


def test_an_issuer_that_is_not_valid_issues_nothing() -> None:
    by = issuer()
    for now in (by.not_before - SECOND, by.not_after + SECOND):
        with pytest.raises(ItemFailed, match="not valid now"):
            authority.prepare(read_csr(), profile(), by, now, 1)


def test_what_was_prepared_is_what_the_certificate_says() -> None:
    serial = new_serial()
    prepared = authority.prepare(read_csr(), profile(), issuer(), NOW, serial)
    made = x509.load_der_x509_certificate(authority.assemble(prepared.tbs, b""))
    assert made.serial_number == prepared.serial == serial
    assert made.not_valid_before_utc == prepared.not_before
    assert made.not_valid_after_utc == prepared.not_after


@pytest.mark.parametrize("octets", [b"\x00" * 19, b"\xff" * 19])
def test_a_serial_is_positive_and_has_twenty_octets(octets: bytes) -> None:
    serial = authority.new_serial(lambda count: octets[:count])
    assert serial > 0
    encoded = serial.to_bytes(serial.bit_length() // 8 + 1, "big")  # as DER has it, with its sign
    assert len(encoded) == 20
    assert encoded.endswith(octets)  # all that chance gave is in it


def test_serials_differ() -> None:
    assert len({authority.new_serial(secrets.token_bytes) for _ in range(1000)}) == 1000


def test_without_the_key_nothing_is_signed() -> None:
    with pytest.raises(KeyUnavailable):
        authority.sign(b"tbs", replace(issuer(), key=None))


def test_signing_the_same_tbs_again_gives_a_certificate_of_the_same_tbs() -> None:
    by = issuer()
    csr = read_csr()
    prepared = authority.prepare(csr, profile(), by, NOW, new_serial())
    for _ in range(2):
        der = authority.assemble(prepared.tbs, authority.sign(prepared.tbs, by))
        authority.verify(der, prepared.tbs, csr, profile(), by)


def test_each_difference_from_what_was_meant_is_found() -> None:
    by = issuer()
    csr = read_csr("DNS:a.example.test", common_name="a.example.test")
    prepared = authority.prepare(csr, profile(), by, NOW, new_serial())
    tbs, signature = prepared.tbs, authority.sign(prepared.tbs, by)
    der = authority.assemble(tbs, signature)
    authority.verify(der, tbs, csr, profile(), by)

    other_tbs = authority.prepare(csr, profile(), by, NOW, new_serial()).tbs
    unlike: list[tuple[str, bytes, bytes, Csr, Issuer]] = [
        ("differs from the TBS", der, other_tbs, csr, by),
        ("signature is not", authority.assemble(other_tbs, signature), other_tbs, csr, by),
        (
            "signature is not",
            authority.assemble(tbs, signature[:-1] + bytes([signature[-1] ^ 1])),
            tbs,
            csr,
            by,
        ),
        ("signature is not", authority.assemble(tbs, b""), tbs, csr, by),
        ("signature is not", der, tbs, csr, issuer("ec:P-384")),
        ("another public key", der, tbs, replace(csr, spki=b""), by),
        ("other names", der, tbs, replace(csr, names=()), by),
        ("other names", der, tbs, read_csr("DNS:b.example.test"), by),
        ("another subject", der, tbs, replace(csr, taken_common_name=None), by),
        ("is damaged", der[:-1], tbs, csr, by),
        ("is damaged", der + b"\x00", tbs, csr, by),
        ("is damaged", b"", tbs, csr, by),
    ]
    for problem, octets, meant, request, signed_by in unlike:
        with pytest.raises(ItemFailed, match=problem):
            authority.verify(octets, meant, request, profile(), signed_by)


def test_a_certificate_without_names_is_never_what_was_meant() -> None:
    by = issuer()
    own = by.certificate
    above = replace(by, certificate=x509.load_der_x509_certificate(by.root))
    csr = replace(read_csr(), spki=public_keys.spki(own.public_key()))
    with pytest.raises(ItemFailed, match="other names"):
        authority.verify(by.chain[0], own.tbs_certificate_bytes, csr, profile(), above)


def test_a_tbs_that_does_not_name_its_issuers_key_is_not_usable() -> None:
    root = x509.load_der_x509_certificate(issuer().root)
    with pytest.raises(ItemFailed, match="does not name its issuer's key"):
        authority.ensure_usable(root.tbs_certificate_bytes, issuer(), NOW)


def test_a_damaged_tbs_is_not_assembled() -> None:
    with pytest.raises(ItemFailed, match="not the TBS"):
        authority.assemble(b"tbs", b"")


def test_a_recorded_tbs_is_usable_until_its_last_second_and_for_its_issuer_only() -> None:
    by = issuer()
    prepared = authority.prepare(read_csr(), profile(), by, NOW, new_serial())
    authority.ensure_usable(prepared.tbs, by, NOW)
    authority.ensure_usable(prepared.tbs, by, prepared.not_after)
    with pytest.raises(ItemFailed, match="validity was over"):
        authority.ensure_usable(prepared.tbs, by, prepared.not_after + SECOND)
    # The same name, with another key: as after a change of the issuing CA.
    with pytest.raises(ItemFailed, match="no longer there"):
        authority.ensure_usable(prepared.tbs, issuer("ec:P-384"), NOW)
    with pytest.raises(ItemFailed, match="not the TBS"):
        authority.ensure_usable(b"\x30\x00", by, NOW)


def test_a_recorded_tbs_is_read_unless_it_is_the_one_just_made() -> None:
    by = issuer()
    made, other = (
        authority.prepare(read_csr(), profile(), by, NOW, new_serial()) for _ in range(2)
    )

    authority.ensure_usable(made.tbs, by, made.not_after, made)
    with pytest.raises(ItemFailed, match="was over"):
        authority.ensure_usable(made.tbs, by, made.not_after + SECOND, made)
    with pytest.raises(ItemFailed, match="no longer there"):
        authority.ensure_usable(made.tbs, issuer("ec:P-384"), NOW, made)
    with pytest.raises(ItemFailed, match="not the TBS"):
        authority.ensure_usable(b"\x30\x00", by, NOW, other)
