"""CAs below ours: what they may speak for, how long a path they leave, and that nothing else is one."""

import pytest
from cryptography import x509

from pipeline.crypto import csr as csrs
from pipeline.crypto.profile import Profile
from pipeline.errors import ItemFailed
from pipeline.signer import authority
from tests.factories import (
    NOW,
    csr,
    issuer,
    new_serial,
    openssl,
    openssl_csr,
    openssl_key,
    profile,
    write,
)
from tests.unit.signer.issued import ANY_TIME, issue, pem, read_csr_of_subject, text_of, verdict
from tests.unit.signer.shipped import SHIPPED


class Branch:
    """A CA below ours, and what openssl issues under it."""

    def __init__(self, made_by: Profile, subject: str = "/CN=Branch CA") -> None:
        self.above = issuer(path_length=1)
        self.key = write(openssl_key("ec:P-384"), "branch.key")
        self.certificate = issue(read_csr_of_subject(subject, "ec:P-384"), made_by, self.above)

    def judge(self, extensions: str) -> str:
        """Return what openssl says of a certificate with these extensions that the branch made."""
        request = write(openssl_csr(subject="/O=Branch"), "leaf.csr")
        leaf = openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(pem(self.certificate))),
            *("-CAkey", str(self.key), "-days", "36500", "-set_serial", "7"),
            *("-extfile", str(write(f"authorityKeyIdentifier=keyid\n{extensions}\n"))),
        )
        return verdict(write(leaf), self.above, self.certificate, options=ANY_TIME)


@pytest.fixture(scope="module")
def branch() -> Branch:
    return Branch(SHIPPED["sub-ca"])


def test_a_ca_below_ours_says_that_it_is_one_and_what_it_may_speak_for(branch: Branch) -> None:
    text = text_of(branch.certificate)
    assert "Basic Constraints: critical CA:TRUE, pathlen:0" in text
    assert "Key Usage: critical Certificate Sign, CRL Sign" in text
    assert "Name Constraints: critical Permitted: DNS:branch.example.com" in text
    assert verdict(pem(branch.certificate), branch.above).endswith(": OK\n")


@pytest.mark.parametrize(
    "extensions",
    [
        "subjectAltName=DNS:branch.example.com",
        "subjectAltName=DNS:www.branch.example.com,DNS:a.b.branch.example.com",
        "subjectAltName=IP:10.1.2.3",
        "subjectAltName=email:user@branch.example.com",
    ],
)
def test_openssl_verifies_what_the_branch_issues_within_its_constraints(
    branch: Branch, extensions: str
) -> None:
    assert branch.judge(extensions).endswith(": OK\n")


@pytest.mark.parametrize(
    ("extensions", "why"),
    [
        ("subjectAltName=DNS:www.example.com", "permitted subtree violation"),
        ("subjectAltName=DNS:evilbranch.example.com", "permitted subtree violation"),
        (
            "subjectAltName=DNS:www.branch.example.com,DNS:example.com",
            "permitted subtree violation",
        ),
        ("subjectAltName=DNS:a.secret.branch.example.com", "excluded subtree violation"),
        ("subjectAltName=IP:10.2.0.1", "permitted subtree violation"),
        ("subjectAltName=IP:fd00::1", "permitted subtree violation"),
        ("subjectAltName=email:user@example.com", "permitted subtree violation"),
        # Nothing is permitted of this kind, so that it is closed.
        ("subjectAltName=URI:https://www.branch.example.com/a", "permitted subtree violation"),
    ],
)
def test_openssl_refuses_what_the_branch_issues_beyond_its_constraints(
    branch: Branch, extensions: str, why: str
) -> None:
    assert why in branch.judge(extensions)


def test_openssl_refuses_a_ca_below_the_branch(branch: Branch) -> None:
    third = openssl(
        *("x509", "-req", "-CA", str(pem(branch.certificate)), "-CAkey", str(branch.key)),
        *("-in", str(write(openssl_csr("ec:P-521", (), "/CN=Third CA"))), "-days", "36500"),
        *("-set_serial", "8", "-extfile"),
        str(
            write(
                "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
                "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
            )
        ),
    )
    leaf = openssl(
        *("x509", "-req", "-CA", str(write(third)), "-set_serial", "9", "-days", "36500"),
        *("-CAkey", str(write(openssl_key("ec:P-521")))),
        *("-in", str(write(openssl_csr(subject="/O=Branch"))), "-extfile"),
        str(write("subjectAltName=DNS:a.branch.example.com\nauthorityKeyIdentifier=keyid\n")),
    )
    between = (branch.certificate, x509.load_pem_x509_certificate(third))
    said = verdict(write(leaf), branch.above, *between, options=ANY_TIME)
    assert "path length constraint exceeded" in said


@pytest.mark.parametrize(
    ("permitted", "closed"),
    [
        (["DNS:example.test"], ["IP:192.0.2.1", "IP:2001:db8::1", "email:a@b.test", "URI:urn:a:b"]),
        (["IP:10.0.0.0/8"], ["DNS:example.test", "DNS:invalid.test", "email:a@invalid.test"]),
        (["URI:example.test"], ["DNS:example.test", "IP:10.1.1.1", "email:a@example.test"]),
        (["email:example.test"], ["DNS:example.test", "URI:https://example.test/"]),
    ],
)
def test_a_kind_of_name_of_which_nothing_is_permitted_is_closed(
    permitted: list[str], closed: list[str]
) -> None:
    made_by = profile(ca=True, names=[], key_usage=["key_cert_sign"], permitted_subtrees=permitted)
    branch = Branch(made_by)
    for name in closed:
        said = branch.judge(f"subjectAltName={name}")
        # Of a URI without a host nobody can say whether it is inside: RFC 5280 refuses it, too.
        whys = ("permitted subtree violation", "excluded subtree violation", "invalid name syntax")
        assert any(why in said for why in whys), (name, said)


def test_an_unconstrained_ca_has_only_what_it_excludes() -> None:
    made_by = profile(ca=True, names=[], key_usage=["key_cert_sign"], unconstrained=True)
    branch = Branch(made_by)
    assert "Name Constraints" not in text_of(branch.certificate)
    assert branch.judge("subjectAltName=DNS:anything.test,IP:192.0.2.1").endswith(": OK\n")


CA = {"ca": True, "names": [], "key_usage": ["key_cert_sign"], "unconstrained": True}


@pytest.mark.parametrize(
    ("room", "path_length", "fits"),
    [(0, 0, False), (1, 0, True), (1, 1, False), (2, 1, True), (2, 2, False)],
)
def test_a_ca_never_has_a_longer_path_than_its_issuer_leaves(
    room: int, path_length: int, fits: bool
) -> None:
    made_by = profile(path_length=path_length, **CA)
    asked = read_csr_of_subject("/CN=Branch CA")
    by = issuer(path_length=room)
    if fits:
        made = issue(asked, made_by, by)
        assert verdict(pem(made), by).endswith(": OK\n")
    else:
        with pytest.raises(ItemFailed, match=f"allows {room} CAs below it"):
            authority.prepare(asked, made_by, by, NOW, 1)


@pytest.mark.parametrize("name", ["Test Issuing CA", "test  ISSUING ca", "Test Issuing Ca"])
def test_nothing_is_issued_in_the_name_of_its_issuer(name: str) -> None:
    """RFC 5280 section 6.1: self-issued certificates count for no CA of the path, and name
    constraints do not apply to them."""
    asked = csrs.read(csr([], common_name=" ".join(name.split())))
    with pytest.raises(ItemFailed, match="the name of its issuing CA"):
        authority.prepare(asked, profile(**CA), issuer(path_length=1), NOW, 1)


def test_a_certificate_is_a_ca_when_its_profile_says_so_and_never_else() -> None:
    asked, by = read_csr_of_subject("/CN=Branch CA"), issuer(path_length=1)
    a_ca = profile(**CA)
    none = profile(names=[], extended_key_usage=["code_signing"])
    for made_by, meant in ((a_ca, none), (none, a_ca)):
        prepared = authority.prepare(asked, made_by, by, NOW, new_serial())
        der = authority.assemble(prepared.tbs, authority.sign(prepared.tbs, by))
        authority.verify(der, prepared.tbs, asked, made_by, by)
        with pytest.raises(ItemFailed, match="differ on whether it is a CA"):
            authority.verify(der, prepared.tbs, asked, meant, by)
