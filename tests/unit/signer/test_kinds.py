"""Each shipped kind of certificate, as the openssl command reads and verifies it."""

import re
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import settings
from pipeline.crypto import check
from pipeline.crypto import csr as csrs
from pipeline.crypto.csr import Csr
from pipeline.crypto.profile import Profile
from pipeline.errors import ItemFailed
from pipeline.signer import authority
from pipeline.signer.issuer import Issuer
from tests.factories import (
    NOW,
    csr,
    issuer,
    new_serial,
    openssl,
    openssl_csr,
    openssl_key,
    policy,
    profile,
    read_csr,
    write,
)

FOLDER = Path(settings.__file__).parent
SHIPPED = policy(
    (FOLDER / "policy.toml").read_text("utf-8").partition("\n[[rules]]")[0]
    + (FOLDER / "more-profiles.toml").read_text("utf-8")
).profiles


def issue(csr: Csr, made_by: Profile, by: Issuer | None = None) -> x509.Certificate:
    """Return a certificate, checked and made in the steps in which the signer makes one."""
    by = by or issuer()
    check.check(csr, made_by)
    prepared = authority.prepare(csr, made_by, by, NOW, new_serial())
    assert prepared.certificate  # the library makes the same of it
    der = authority.assemble(prepared.tbs, authority.sign(prepared.tbs, by))
    authority.verify(der, prepared.tbs, csr, made_by, by)
    return x509.load_der_x509_certificate(der)


def pem(*certificates: x509.Certificate) -> Path:
    return write(b"".join(one.public_bytes(Encoding.PEM) for one in certificates))


def text_of(certificate: x509.Certificate) -> str:
    text = openssl("x509", "-noout", "-text", octets=certificate.public_bytes(Encoding.PEM))
    return re.sub(r"\s+", " ", text.decode())


AT_NOW = ("-attime", str(int(NOW.timestamp())))
ANY_TIME = ("-no_check_time",)
"""What openssl issues begins at its own time, which is not that of the tests."""


def verdict(
    leaf: Path, by: Issuer, *between: x509.Certificate, options: tuple[str, ...] = AT_NOW
) -> str:
    """Return what `openssl verify` says of a certificate under the root."""
    arguments = ["verify", "-x509_strict", *options]
    arguments += ["-CAfile", str(pem(x509.load_der_x509_certificate(by.root)))]
    arguments += ["-untrusted", str(pem(by.certificate, *between)), str(leaf)]
    done = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
    return (done.stdout + done.stderr).decode()


KINDS = [
    ("server", ("DNS:*.example.test", "IP:192.0.2.1"), "/", "sslserver"),
    ("client", ("email:user@example.test", "URI:urn:a:b"), "/", "sslclient"),
    ("server-client", ("DNS:www.example.test",), "/", "sslserver"),
    ("server-client", ("DNS:www.example.test",), "/", "sslclient"),
    ("email", ("email:user@example.test",), "/CN=user@example.test", "smimesign"),
    ("email", ("email:user@example.test",), "/CN=user@example.test", "smimeencrypt"),
    ("spiffe", ("URI:spiffe://example.test/service",), "/", "sslserver"),
    ("code-signing", (), "/CN=Build/OU=Programs", "any"),
    ("ocsp-responder", (), "/CN=Responder 1", "ocsphelper"),
]


@pytest.mark.parametrize(("name", "names", "subject", "purpose"), KINDS)
def test_openssl_verifies_each_shipped_kind_for_its_purpose(
    name: str, names: tuple[str, ...], subject: str, purpose: str
) -> None:
    made = issue(csrs.read(openssl_csr("rsa:3072", names, subject)), SHIPPED[name])
    assert verdict(pem(made), issuer(), options=(*AT_NOW, "-purpose", purpose)).endswith(": OK\n")


@pytest.mark.parametrize(
    ("name", "names", "subject", "purpose"),
    [
        ("client", ("DNS:www.example.test",), "/", "sslserver"),
        ("server", ("DNS:www.example.test",), "/", "sslclient"),
        ("code-signing", (), "/CN=www.example.test", "sslserver"),
        ("ocsp-responder", (), "/CN=www.example.test", "sslserver"),
        ("email", ("email:user@example.test",), "/", "sslclient"),
    ],
)
def test_openssl_refuses_a_kind_for_what_it_is_not_there_for(
    name: str, names: tuple[str, ...], subject: str, purpose: str
) -> None:
    made = issue(csrs.read(openssl_csr("rsa:3072", names, subject)), SHIPPED[name])
    assert "unsuitable certificate purpose" in verdict(
        pem(made), issuer(), options=(*AT_NOW, "-purpose", purpose)
    )


def test_a_certificate_without_names_has_a_subject_and_no_san() -> None:
    made = issue(read_csr_of_subject("/CN=Build/OU=Programs"), SHIPPED["code-signing"])
    assert made.subject.rfc4514_string() == "CN=Build,OU=Programs,O=Example"
    text = text_of(made)
    assert "Alternative Name" not in text
    assert "Extended Key Usage: Code Signing" in text


def read_csr_of_subject(subject: str, key: str = "ec:P-256") -> Csr:
    return csrs.read(openssl_csr(key, (), subject))


def test_openssl_believes_the_responder_that_was_issued() -> None:
    responder = pem(issue(read_csr_of_subject("/CN=Responder 1"), SHIPPED["ocsp-responder"]))
    assert "OCSP No Check" in text_of(x509.load_pem_x509_certificate(responder.read_bytes()))
    asked = issue(read_csr(), SHIPPED["server"])
    index = write(f"V\t301231000000Z\t\t{asked.serial_number:040X}\tunknown\t/CN=x\n", "index.txt")
    issuing, root = pem(issuer().certificate), pem(x509.load_der_x509_certificate(issuer().root))
    request, response = write(b"", "request.der"), write(b"", "response.der")
    chain = ("-issuer", str(issuing), "-cert", str(pem(asked)))
    openssl("ocsp", *chain, "-no_nonce", "-reqout", str(request))
    openssl(
        *("ocsp", "-index", str(index), "-rsigner", str(responder), "-CA", str(issuing)),
        *("-rkey", str(write(openssl_key("ec:P-256"))), "-reqin", str(request)),
        *("-respout", str(response), "-ndays", "100000"),
    )
    arguments = ["ocsp", *chain, "-respin", str(response), "-CAfile", str(root)]
    arguments += ["-verify_other", str(issuing), "-no_nonce", *AT_NOW]
    done = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
    assert b"Response verify OK" in done.stderr, done.stderr
    assert b": good" in done.stdout, done.stdout


def test_a_user_principal_name_is_what_windows_reads_from_an_other_name() -> None:
    made_by = profile(names=["upn", "email"], extended_key_usage=["1.3.6.1.4.1.311.20.2.2"])
    text = text_of(issue(read_csr("UPN:user@corp.test", "email:User@corp.test"), made_by))
    assert "othername: UPN::user@corp.test, email:User@corp.test" in text
    assert "Microsoft Smartcard Login" in text


def test_certificate_policies_are_there_with_their_statements() -> None:
    made_by = profile(
        certificate_policies=["2.23.140.1.2.1", "1.3.6.1.4.1.55555.1 https://ca.example.test/cps"]
    )
    text = text_of(issue(read_csr(), made_by))
    assert (
        "Policy: 2.23.140.1.2.1 Policy: 1.3.6.1.4.1.55555.1 CPS: https://ca.example.test/cps"
        in text
    )


def test_a_subject_is_what_the_profile_gives_and_then_what_it_takes() -> None:
    made_by = profile(subject=["C=DE", "O=Example"], subject_from_csr=["OU", "CN"])
    asked = csrs.read(openssl_csr(subject="/O=Other/OU=Büro/L=Bonn/CN=www.example.test"))
    made = issue(asked, made_by)
    assert made.subject.rfc4514_string() == "CN=www.example.test,OU=Büro,O=Example,C=DE"
    assert "Subject: C = DE, O = Example, OU = B\\C3\\BCro, CN = www.example.test" in text_of(made)


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


def test_the_page_about_policies_has_every_key_of_a_profile_and_an_example_that_is_right() -> None:
    page = (FOLDER.parent / "docs" / "policy.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert policy(example).profiles["sub-ca"].powers == {"ca", "free_subject"}
    keys = set(re.findall(r"`([a-z_]+)`", page.partition("## Keys of a profile")[2]))
    assert set(Profile.__struct_fields__) - {"name"} <= keys


def test_the_shipped_policy_gives_no_power() -> None:
    shipped = policy((FOLDER / "policy.toml").read_text("utf-8"))
    assert {name: made_by.powers for name, made_by in shipped.profiles.items()} == {
        name: frozenset() for name in ("server", "client", "server-client", "email", "spiffe")
    }
    assert {name for name, made_by in SHIPPED.items() if made_by.powers} == {
        "code-signing",
        "ocsp-responder",
        "sub-ca",
    }
