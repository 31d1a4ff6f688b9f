"""Requests are read back: pages, lists, certificates, withdrawals."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7
from sqlalchemy import select

from pipeline.states import FINAL, State
from pipeline.web import tables
from pipeline.web.notify import SUBMITTED
from tests import factories
from tests.unit.web.browser import HTML, csrf_token, parse
from tests.website import Website


def test_an_issued_request_has_certificate_and_chain(website: Website) -> None:
    request_id = website.submit()
    der = website.issue(request_id)
    answer = website.client().get(f"/api/v1/requests/{request_id}").json
    certificate = x509.load_pem_x509_certificate(answer["certificate"].encode())
    chain = x509.load_pem_x509_certificates(answer["chain"].encode())
    assert certificate == x509.load_der_x509_certificate(der)
    certificate.verify_directly_issued_by(chain[0])
    assert (answer["state"], answer["revision"]) == ("issued", 1)


def test_a_rejected_request_has_its_reason(website: Website) -> None:
    request_id = website.submit()
    website.move(request_id, State.REJECTED, "Not <yours>.")
    answer = website.client().get(f"/api/v1/requests/{request_id}").json
    assert (answer["state"], answer["reason"]) == ("rejected", "Not <yours>.")
    assert (answer["certificate"], answer["chain"]) == (None, None)
    assert "Not &lt;yours&gt;." in website.client().get(f"/requests/{request_id}").text


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/pem-certificate-chain"),
        ("*/*", "application/pem-certificate-chain"),
        ("application/*", "application/pem-certificate-chain"),
        ("text/html, */*;q=0.1", "application/pem-certificate-chain"),
        ("application/pem-certificate-chain", "application/pem-certificate-chain"),
        ("application/x-pem-file", "application/x-pem-file"),
        ("application/pkix-cert", "application/pkix-cert"),
        ("application/pkix-cert;q=0.5, application/pkcs7-mime", "application/pkcs7-mime"),
        ("application/pkcs7-mime; smime-type=certs-only", "application/pkcs7-mime"),
        ("application/pkix-cert, */*;q=0.1", "application/pkix-cert"),
    ],
)
def test_the_certificate_comes_as_the_client_likes_it(
    website: Website, accept: str | None, content_type: str
) -> None:
    request_id = website.submit()
    expected = x509.load_der_x509_certificate(website.issue(request_id))
    headers = {} if accept is None else {"Accept": accept}
    answer = website.client().get(f"/api/v1/requests/{request_id}/certificate", headers=headers)
    assert (answer.status_code, answer.mimetype) == (200, content_type)
    if content_type == "application/pkix-cert":
        found = [x509.load_der_x509_certificate(answer.data)]
    elif content_type == "application/pkcs7-mime":
        assert answer.headers["Content-Type"].endswith("smime-type=certs-only")
        found = pkcs7.load_der_pkcs7_certificates(answer.data)
        assert len(found) == 2
    else:
        found = x509.load_pem_x509_certificates(answer.data)
        assert found[1].subject == expected.issuer
    assert expected in found


def test_thousands_of_accepted_forms_are_none(website: Website) -> None:
    """To read them all took longer than everything else together."""
    request_id = website.submit()
    website.issue(request_id)
    accept = "application/pkix-cert, " + "a/b, " * 6000
    address = f"/api/v1/requests/{request_id}/certificate"
    answer = website.client().get(address, headers={"Accept": accept})
    assert answer.mimetype == "application/pem-certificate-chain"


def test_a_form_of_certificate_that_does_not_exist_is_406(website: Website) -> None:
    request_id = website.submit()
    website.issue(request_id)
    answer = website.client().get(
        f"/api/v1/requests/{request_id}/certificate", headers={"Accept": "image/png"}
    )
    assert (answer.status_code, answer.json["type"]) == (406, "/problems/not-acceptable")


def test_without_a_certificate_there_is_none_to_fetch(website: Website) -> None:
    request_id = website.submit()
    answer = website.client().get(f"/api/v1/requests/{request_id}/certificate")
    assert (answer.status_code, answer.json["type"]) == (404, "/problems/no-certificate")
    assert website.client().get(f"/requests/{request_id}/certificate.pem").status_code == 404


def test_the_page_offers_every_form_of_the_certificate(website: Website) -> None:
    request_id = website.submit()
    expected = x509.load_der_x509_certificate(website.issue(request_id))
    client = website.client()
    page = parse(client.get(f"/requests/{request_id}"))
    links = [a.get("href") for a in page.iter(f"{HTML}a") if "/certificate." in a.get("href", "")]
    loaders: dict[str, Any] = {
        "chain.pem": x509.load_pem_x509_certificates,
        "pem": x509.load_pem_x509_certificates,
        "cer": lambda octets: [x509.load_der_x509_certificate(octets)],
        "p7c": pkcs7.load_der_pkcs7_certificates,
    }
    assert {link.rpartition("/certificate.")[2] for link in links} == set(loaders)
    for link in links:
        answer = client.get(link)
        ending = link.rpartition("/certificate.")[2]
        assert answer.headers["Content-Disposition"].endswith(f'{request_id}.{ending}"')
        assert expected in loaders[ending](answer.data)
    assert client.get(f"/requests/{request_id}/certificate.exe").status_code == 404


@pytest.mark.parametrize("state", State)
def test_the_page_shows_every_state(website: Website, state: State) -> None:
    request_id = website.submit()
    if state is State.RELAYED:
        website.relay(request_id)
    elif state is State.ISSUED:
        website.issue(request_id)
    elif state is not State.SUBMITTED:
        website.move(request_id, state)
    client = website.client()
    page = client.get(f"/requests/{request_id}")
    tree = parse(page)
    refreshes = [meta for meta in tree.iter(f"{HTML}meta") if meta.get("http-equiv") == "refresh"]
    assert len(refreshes) == (state not in FINAL)
    assert ("/withdraw" in page.text) == (state not in FINAL)
    assert ("/certificate.pem" in page.text) == (state is State.ISSUED)
    steps = tree.findall(f".//{HTML}ol[@class='steps']/{HTML}li")
    assert len([step for step in steps if step.get("aria-current")]) == (state not in FINAL)
    assert "http-equiv" not in client.get(f"/requests/{request_id}?refresh=off").text


def test_the_page_says_when_answers_are_delayed(website: Website) -> None:
    request_id = website.submit()
    client = website.client()
    addresses = ("/", f"/requests/{request_id}")
    website.beat()
    assert not any("Answers are delayed" in client.get(one).text for one in addresses)
    website.beat(broker_ok=False)
    assert all("Answers are delayed" in client.get(one).text for one in addresses)
    website.issue(request_id)
    assert "Answers are delayed" not in client.get(f"/requests/{request_id}").text


def test_a_wish_to_withdraw_is_noted_and_told_at_once(
    website: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[str] = []
    monkeypatch.setattr(
        "pipeline.web.withdraw.announce", lambda _database, channel: announced.append(channel)
    )
    request_id = website.submit()
    website.move(request_id, State.WAITING_FOR_APPROVAL)
    answer = website.client().delete(f"/api/v1/requests/{request_id}")
    assert (answer.status_code, answer.json["withdrawal_wished"]) == (202, True)
    assert answer.json["state"] == "waiting_for_approval"
    assert website.row(request_id).next_attempt_at <= website.moment
    assert announced == [SUBMITTED]
    assert website.client().delete(f"/api/v1/requests/{request_id}").status_code == 202
    with website.database.read() as connection:
        events = connection.scalars(
            select(tables.audit.c.event).where(tables.audit.c.request_id == request_id)
        ).all()
    assert events.count("withdrawal-wished") == 1


@pytest.mark.parametrize("state", sorted(FINAL))
def test_what_has_ended_cannot_be_withdrawn(website: Website, state: State) -> None:
    request_id = website.submit()
    if state is State.ISSUED:
        website.issue(request_id)
    else:
        website.move(request_id, state)
    answer = website.client().delete(f"/api/v1/requests/{request_id}")
    assert (answer.status_code, answer.json["type"]) == (409, "/problems/already-final")
    assert not website.row(request_id).withdrawal_wished


def test_the_page_withdraws(website: Website) -> None:
    request_id = website.submit()
    client = website.client()
    address = f"/requests/{request_id}"
    answer = client.post(f"{address}/withdraw", data={"csrf_token": csrf_token(client, address)})
    assert (answer.status_code, answer.headers["Location"]) == (303, address)
    page = client.get(address)
    assert "You asked to withdraw" in page.text
    assert "/withdraw" not in page.text


def test_the_cas_are_shown_once_the_signer_has_told_of_them(website: Website) -> None:
    client = website.client()
    assert client.get("/api/v1/ca").json == {"issuers": []}
    assert client.get("/ca.pem").status_code == 503
    assert client.get("/ca").status_code == 200
    website.introduce()
    issuer = factories.issuer()
    (told,) = client.get("/api/v1/ca").json["issuers"]
    assert told["fingerprint"] == issuer.fingerprint
    assert x509.load_pem_x509_certificate(told["chain"].encode()) == issuer.certificate
    root = x509.load_der_x509_certificate(issuer.root)
    for address in ("/ca.pem", "/api/v1/ca.pem"):
        assert x509.load_pem_x509_certificate(client.get(address).data) == root
    page = client.get("/ca")
    assert "CN=Test Root" in page.text
    shown = page.text.replace(" ", "")
    assert issuer.fingerprint in shown
    assert told["root_fingerprint"] in shown
