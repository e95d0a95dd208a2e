"""The page in a real browser: what a person sees, does with the keyboard, and must not be done to.

Chromium without a window, driven through chromedriver. Screenshots stay in build/screenshots.
"""

import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from proxy.testing import FakeBackend, respond
from tests.servers import Proxy, proxy_process

TOKEN = "0123456789abcdef"
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
WAIT_S = 40
"""The machine may be busy with other tests."""

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1280,1000",
)


class Browser:
    """One browser, and what it has done on the network."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str, dark: bool = False) -> None:
        """Show a page, as a person with light or dark settings would see it."""
        self.driver.get("about:blank")
        self.log("performance")
        self.log("browser")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get(url)

    def until(self, found: Callable[[], Any]) -> Any:
        """Wait until something is so, and return it."""
        wait = WebDriverWait(self.driver, WAIT_S, poll_frequency=0.1)
        return wait.until(lambda driver: found())

    def text(self, selector: str) -> str:
        """Return what can be read there; empty when there is nothing."""
        return str(self.run(f"return document.querySelector({selector!r})?.innerText ?? ''"))

    def run(self, script: str) -> Any:
        """Run a script in the page, outside of its policy."""
        return self.driver.execute_script(script)

    def press(self, *keys: str) -> None:
        """Type on the keyboard, wherever the focus is."""
        element: WebElement = self.driver.switch_to.active_element
        element.send_keys(*keys)

    def tab_to(self, label: str) -> None:
        """Move the focus with the tabulator until it is on something with this name."""
        for _ in range(50):
            if self.run("return document.activeElement.ariaLabel") == label:
                return
            self.driver.find_element(By.TAG_NAME, "body")
            self.press(Keys.TAB)
        raise AssertionError(f"the keyboard does not lead to {label}")

    def row(self, server: str) -> str:
        """Return what the table says about a backend."""
        rows = self.run("return [...document.querySelectorAll('tbody tr')].map(r => r.innerText)")
        return next((row for row in rows if server in row), "")

    def shoot(self, name: str) -> None:
        """Keep a picture."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SHOTS / f"{name}.png"))

    def log(self, kind: str) -> list[dict[str, Any]]:
        """Return the entries of one of the browser's logs since the last call."""
        entries: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return entries

    def complaints(self) -> list[str]:
        """Return what the browser's console has said."""
        return [entry["message"] for entry in self.log("browser")]

    def addresses(self) -> set[str]:
        """Return what was asked for."""
        events = (json.loads(entry["message"])["message"] for entry in self.log("performance"))
        return {
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        }


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        assert not os.environ.get("REQUIRE_BROWSER"), "chromium and chromium-driver are missing"
        pytest.skip("needs chromium and chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(chromedriver))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    return file


def front(*backends: str, token: Path) -> list[str]:
    """Return the options of a front end."""
    upstreams = [word for backend in backends for word in ("--upstream", backend)]
    admin = ("--admin", "127.0.0.1:0", "--admin-token-file", str(token))
    return [*upstreams, *admin, "--access-log", "off", "--max-temp-file-size", "0"]


def ask(proxy: Proxy, path: str = "/") -> None:
    with urllib.request.urlopen(proxy.url + path, timeout=20) as response:
        response.read()


def test_a_night_shift(browser: Browser, token: Path) -> None:
    """A backend dies and it shows; the other one is drained and enabled by keyboard."""
    with ExitStack() as second, FakeBackend(respond(body=b"hello")) as first:
        other = second.enter_context(FakeBackend(respond(body=b"hello")))
        one, two = str(first.address), str(other.address)
        with proxy_process(*front(one, two, token=token)) as proxy:
            for _ in range(6):
                ask(proxy)
            browser.open(proxy.admin_url)
            browser.until(lambda: browser.text("#title") == "All is well")
            browser.until(lambda: "up" in browser.row(one) and "up" in browser.row(two))
            browser.until(lambda: browser.text("#live") == "live")
            assert "2 of 2 backends serve" in browser.text("#sub")
            assert browser.text("#no-failures") == "None so far."

            second.close()
            for _ in range(4):
                ask(proxy)  # each is made good by the other one
            browser.until(lambda: browser.text("#title") == "One thing is wrong")
            assert f"{two} does not serve" in browser.text("#problems")
            assert "Next:" in browser.text("#problems")
            browser.until(lambda: "made good by another try" in browser.text("#failures"))
            browser.until(lambda: browser.driver.title.startswith("(1) One thing is wrong"))
            assert browser.complaints() == []
            browser.shoot("light")

            browser.tab_to(f"Drain {one}")
            browser.press(Keys.ENTER)
            assert "It is the only one that serves" in browser.text("#ask-text")
            browser.press("not-the-token-0123", Keys.ENTER)
            browser.until(lambda: "not the token" in browser.text("#trouble"))
            assert not first_is_drained(proxy, one)
            browser.press(TOKEN, Keys.ENTER)
            browser.until(lambda: "drained" in browser.row(one))
            assert first_is_drained(proxy, one)
            assert browser.run("return document.activeElement.ariaLabel") == f"Enable {one}"
            browser.press(Keys.ENTER)  # the token is known by now
            browser.until(lambda: "drained" not in browser.row(one))
            assert not first_is_drained(proxy, one)
            kept = browser.run("return localStorage.length + sessionStorage.length")
            assert (kept, browser.run("return document.cookie")) == (0, "")

            refused = [text for text in browser.complaints() if "403" not in text]
            assert refused == []
            assert all(
                url.startswith((proxy.admin_url + "/", "data:image/svg+xml"))
                for url in browser.addresses() - {"about:blank"}
            )
        browser.until(lambda: "no news since" in browser.text("#live"))


def first_is_drained(proxy: Proxy, server: str) -> bool:
    """Return what the API says."""
    address = f"{proxy.admin_url}/api/upstreams/default/backends/{server}"
    with urllib.request.urlopen(address, timeout=20) as response:
        return bool(json.load(response)["duty"] == "draining")


def test_names_and_requests_are_text_and_dark_is_dark(browser: Browser, token: Path) -> None:
    """On a telephone, too."""
    hostile = "unix:/nowhere/<b/id=pwned>&amp;.sock"
    with proxy_process(*front(hostile, token=token), "--try-duration", "0") as proxy:
        with pytest.raises(urllib.error.HTTPError):
            ask(proxy, "/<b/id=pwned>")
        browser.open(proxy.admin_url, dark=True)
        browser.until(lambda: browser.text("#title").endswith("wrong"))
        browser.until(
            lambda: (
                "/<b/id=pwned>"
                in browser.run("return document.querySelector('#failures').textContent")
            )
        )
        assert hostile in browser.text("#problems")
        assert browser.run("return document.getElementById('pwned')") is None
        paper = browser.run("return getComputedStyle(document.body).backgroundColor")
        assert max(map(int, paper.removeprefix("rgb(").removesuffix(")").split(", "))) < 60
        browser.shoot("dark")
        metrics = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.until(lambda: browser.run("return innerWidth") == 360)
        parts = "[...document.querySelectorAll('main *:not(thead, thead *)')]"
        wide = ".filter(e => e.scrollWidth > 360).map(e => e.outerHTML.slice(0, 200))"
        assert browser.run(f"return {parts}{wide}") == []
        assert browser.run("return document.documentElement.scrollWidth") <= 360
        browser.shoot("telephone")
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        assert browser.complaints() == []
