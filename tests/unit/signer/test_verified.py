"""What was verified is not parsed again, and nothing else is taken for it."""

import pytest

from pipeline.crypto import csr as csrs
from pipeline.signer import verified
from pipeline.signer.verified import Verified
from tests.factories import csr


def test_what_was_kept_is_read_once_without_parsing_it() -> None:
    octets, known = csr(["DNS:one.example.com"]), Verified()
    read = csrs.read(octets)
    known.keep(octets, read)

    assert known.read(bytes(bytearray(octets))) is read
    again = known.read(octets)
    assert again is not read
    assert again == read


def test_other_octets_are_read_as_what_they_are() -> None:
    known = Verified()
    known.keep(csr(["DNS:one.example.com"]), csrs.read(csr(["DNS:one.example.com"])))

    found = known.read(csr(["DNS:two.example.com"]))

    assert [name.value for name in found.names] == ["two.example.com"]


def test_few_are_kept_and_none_that_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "MOST", 2)
    known = Verified()
    each = [csr([f"DNS:{one}.example.com"]) for one in ("a", "b", "c")]
    each.append(csr([f"DNS:{one}.{'long-name.' * 20}example.com" for one in range(20)]))
    read = [csrs.read(octets) for octets in each]
    for octets, one in zip(each, read, strict=True):
        known.keep(octets, one)

    kept = [known.read(octets) is one for octets, one in zip(each, read, strict=True)]

    assert kept == [False, True, True, False]
