"""Each shipped kind of certificate, as the openssl command reads and verifies it."""

import re
import subprocess

import pytest
from cryptography import x509

from pipeline.crypto import csr as csrs
from pipeline.crypto.profile import Profile
from tests.factories import (
    issuer,
    openssl,
    openssl_csr,
    openssl_key,
    policy,
    profile,
    read_csr,
    write,
)
from tests.unit.signer.issued import AT_NOW, issue, pem, read_csr_of_subject, text_of, verdict
from tests.unit.signer.shipped import FOLDER, SHIPPED

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


def test_openssl_believes_time_stamps_of_a_profile_that_says_so_by_its_oid() -> None:
    made_by = profile(names=[], extended_key_usage=["1.3.6.1.5.5.7.3.8"])
    made = issue(read_csr_of_subject("/CN=Time stamps"), made_by)
    options = (*AT_NOW, "-purpose", "timestampsign")
    assert verdict(pem(made), issuer(), options=options).endswith(": OK\n")


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
