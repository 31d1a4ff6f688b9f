"""People use the pages in a real browser, without JavaScript."""

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pipeline.states import State
from tests import factories
from tests.browser.conftest import Live, Open
from tests.waiting import wait_until

PEM = factories.openssl_csr(names=("DNS:www.example.test", "DNS:xn--bcher-kva.example"))


def text(browser: Chrome) -> str:
    """Return what the page says; nothing while it is just loading itself again. It is asked by one
    command: an element that was found before may belong to the page that is gone."""
    return str(browser.execute_script("return document.body ? document.body.innerText : ''"))


def press(browser: Chrome, name: str) -> None:
    """Press a button, and wait until the page after it is there whole."""
    before = document(browser)
    browser.find_element(By.XPATH, f"//main//button[normalize-space()='{name}']").click()
    wait_until(lambda: document(browser) not in (before, None))


def document(browser: Chrome) -> float | None:
    """Return when the document began, which no other has; None while it is being loaded.

    To ask an element of the last page whether it is gone ends in an error of the driver now and
    then, which does not know Chromium's answer for stale."""
    begun: float | None = browser.execute_script(
        "return document.readyState == 'complete' ? performance.timeOrigin : null"
    )
    return begun


def shows(browser: Chrome, sentence: str) -> None:
    """Wait until the page says so."""
    wait_until(lambda: sentence in text(browser))


def complaints(browser: Chrome) -> list[str]:
    """Return what the browser's console has to say."""
    return [entry["message"] for entry in browser.get_log("browser")]  # type: ignore[no-untyped-call]


def submit(browser: Chrome, live: Live, tmp_path: Path) -> str:
    """Submit a CSR as a file; return the request's id."""
    file = tmp_path / "request.csr"
    file.write_bytes(PEM)
    browser.get(live.url)
    browser.find_element(By.ID, "file").send_keys(str(file))
    browser.find_element(By.ID, "comment").send_keys("For the shop")
    press(browser, "Review")
    shows(browser, "bücher.example")
    press(browser, "Submit the request")
    wait_until(lambda: "/requests/" in browser.current_url)
    return browser.current_url.rpartition("/")[2]


def test_a_certificate_is_requested_and_downloaded(
    live: Live, open_browser: Open, tmp_path: Path
) -> None:
    browser = open_browser()
    request_id = submit(browser, live, tmp_path)
    shows(browser, "Submitted")
    live.website.move(request_id, State.WAITING_FOR_SIGNATURE)
    shows(browser, "Waiting for the signature")
    expected = x509.load_der_x509_certificate(live.website.issue(request_id))
    shows(browser, "The certificate is ready")
    folder = tmp_path / "chromium-0" / "downloads"
    forms: dict[str, tuple[str, Any]] = {
        "PEM with chain": ("chain.pem", x509.load_pem_x509_certificates),
        "PEM": ("pem", x509.load_pem_x509_certificates),
        "DER": ("cer", lambda octets: [x509.load_der_x509_certificate(octets)]),
        "PKCS #7": ("p7c", pkcs7.load_der_pkcs7_certificates),
    }
    for name, (ending, load) in forms.items():
        browser.find_element(By.LINK_TEXT, name).click()
        # The browser writes to files of other names, and gives a complete one this name.
        file = folder / f"{request_id}.{ending}"
        wait_until(lambda file=file: file.exists() and file.stat().st_size > 0)  # type: ignore[misc]
        assert expected in load(file.read_bytes())
    assert complaints(browser) == []


def test_a_wrong_csr_is_explained_and_can_be_mended(live: Live, open_browser: Open) -> None:
    browser = open_browser()
    browser.get(live.url)
    browser.find_element(By.ID, "csr").send_keys("nonsense")
    press(browser, "Review")
    shows(browser, "There is no CSR in what you sent")
    field = browser.find_element(By.ID, "csr")
    assert field.get_attribute("value") == "nonsense"
    field.clear()
    field.send_keys(PEM.decode())
    press(browser, "Review")
    shows(browser, "www.example.test")
    press(browser, "Change")
    filled = browser.find_element(By.ID, "csr").get_attribute("value")
    assert filled is not None
    assert filled.startswith("-----BEGIN")
    # The browser itself tells of the answer's status, and of nothing else.
    assert all("422" in one or "400" in one for one in complaints(browser))


def test_a_request_is_withdrawn(live: Live, open_browser: Open, tmp_path: Path) -> None:
    browser = open_browser()
    request_id = submit(browser, live, tmp_path)
    browser.get(f"{live.url}/requests/{request_id}?refresh=off")  # it stays while it is pressed
    press(browser, "Withdraw the request")
    shows(browser, "You asked to withdraw")
    live.website.move(request_id, State.WITHDRAWN)
    shows(browser, "The request was withdrawn")
    assert complaints(browser) == []


def test_a_known_requester_signs_in_and_sees_their_requests(
    live: Live, open_browser: Open, tmp_path: Path
) -> None:
    token = live.website.token("web-team")
    browser = open_browser()
    browser.get(f"{live.url}/requests")
    browser.find_element(By.CSS_SELECTOR, "main a.button").click()
    browser.find_element(By.ID, "token").send_keys(token, Keys.ENTER)
    shows(browser, "Signed in as web-team")
    assert browser.current_url.endswith("/requests")
    submit(browser, live, tmp_path)
    browser.get(f"{live.url}/requests")
    shows(browser, "www.example.test")
    browser.find_element(By.XPATH, "//button[.='Sign out']").click()
    wait_until(lambda: "Signed in as" not in text(browser))


def test_pages_speak_the_browsers_language_and_the_chosen_one(
    live: Live, open_browser: Open
) -> None:
    browser = open_browser(language="de")
    browser.get(live.url)
    shows(browser, "Ein Zertifikat beantragen")
    browser.find_element(By.LINK_TEXT, "English").click()
    shows(browser, "Request a certificate")
    browser.find_element(By.LINK_TEXT, "CA certificates").click()
    shows(browser, "CA certificates")


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_is_wider_than_a_small_screen(
    live: Live, open_browser: Open, tmp_path: Path, width: int
) -> None:
    live.website.introduce()
    long = "DNS:" + ".".join(["a" * 60] * 3) + ".example.test"
    issued = live.website.submit(long, "DNS:www.example.test", comment="x" * 300)
    live.website.issue(issued)
    browser = open_browser(scripts=True)
    for language in ("en", "de"):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True},
        )
        browser.get(f"{live.url}/language/{language}")
        for address in ("/", "/ca", "/sign-in", f"/requests/{issued}", "/nothing"):
            browser.get(live.url + address)
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, address


def test_everything_is_reached_by_keyboard_with_the_focus_in_sight(
    live: Live, open_browser: Open
) -> None:
    browser = open_browser(scripts=True)
    browser.get(live.url)
    focused: list[str] = []
    while len(focused) < 30:
        ActionChains(browser).send_keys(Keys.TAB).perform()
        element = browser.switch_to.active_element
        if element.tag_name == "body":  # all round
            break
        focused.append(element.get_attribute("id") or element.text or element.tag_name)
        outline = element.value_of_css_property("outline-style")
        assert outline != "none", focused[-1]
    assert focused[0] == "Skip to the content"
    for wanted in ("csr", "file", "profile", "comment", "Review"):
        assert wanted in focused
