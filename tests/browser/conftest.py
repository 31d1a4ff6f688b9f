"""A website on a server of its own, and Chromium."""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from pipeline.web.serve import Server
from tests.servers.ports import free_port
from tests.website import Website

FLAGS = (
    "--headless",
    "--no-sandbox",  # which Chromium does not have as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Live:
    """A website that is served."""

    website: Website
    url: str


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """A website on a free port."""
    website = Website(tmp_path)
    server = Server(website.settings, website.app, port=free_port())
    stopping = threading.Event()
    thread = threading.Thread(target=server.run_until, args=(stopping,))
    thread.start()
    yield Live(website, server.url)
    stopping.set()
    thread.join(timeout=120)
    website.close()


Open = Callable[..., Chrome]


@pytest.fixture
def open_browser(tmp_path: Path) -> Iterator[Open]:
    """Start browsers with profiles of their own; they are ended whatever happens."""
    opened: list[Chrome] = []

    def start(*, scripts: bool = False, language: str = "en", width: int = 1100) -> Chrome:
        folder = tmp_path / f"chromium-{len(opened)}"
        (folder / "downloads").mkdir(parents=True)
        options = ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*FLAGS, f"--user-data-dir={folder}/profile", f"--window-size={width},900"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        preferences = {
            "intl.accept_languages": language,
            "download.default_directory": str(folder / "downloads"),
            "profile.managed_default_content_settings.javascript": 1 if scripts else 2,
        }
        options.add_experimental_option("prefs", preferences)
        browser = Chrome(options, Service(shutil.which("chromedriver") or "chromedriver"))
        browser.implicitly_wait(60)
        browser.set_page_load_timeout(120)
        opened.append(browser)
        return browser

    yield start
    for browser in opened:
        browser.quit()
