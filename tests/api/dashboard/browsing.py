"""A real browser on the real dashboard, which is a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.sync_api import BrowserContext, Locator, Page, ViewportSize, expect, sync_playwright

from compose.embedded.ports import LOOPBACK, choose_port
from tests.support.chromium import CHROMIUM_FLAGS
from tests.support.waiting import PATIENCE_SECONDS, wait_until

_PROJECT: Final = Path(__file__).parents[3]
_CHROMIUM: Final = "/usr/bin/chromium"
WIDE: Final[ViewportSize] = {"width": 1440, "height": 1000}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}

expect.set_options(timeout=PATIENCE_SECONDS * 1000)


@contextmanager
def site_over(api_url: str, folder: Path, **settings: str) -> Iterator[str]:
    """The address of `globalmart dashboard` over an API; its log, in the folder, has to be without a traceback."""
    port = choose_port()
    names = {
        "port": str(port),
        "api_url": api_url,
        "refresh_seconds": "0.5",
        "api_timeout_seconds": str(PATIENCE_SECONDS),
        **settings,
    }
    environ = os.environ | {f"GLOBALMART_DASHBOARD_{name.upper()}": value for name, value in names.items()}
    log = folder / "dashboard.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "dashboard"],
            cwd=_PROJECT,
            env=environ | {"GLOBALMART_ENV_FILE": ""},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_healthy(process, f"http://{LOOPBACK}:{port}/_stcore/health")
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
    assert "Traceback" not in log.read_text()


def _wait_healthy(process: subprocess.Popen[bytes], address: str) -> None:
    def healthy() -> bool:
        assert process.poll() is None
        try:
            return httpx.get(address, timeout=PATIENCE_SECONDS).text == "ok"
        except httpx.ConnectError:
            return False

    wait_until(healthy)


@contextmanager
def browser(profile: Path, **options: Any) -> Iterator[BrowserContext]:
    """A headless Chromium; `options` are those of Playwright's contexts, such as `viewport` or `color_scheme`."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=_CHROMIUM,
            args=list(CHROMIUM_FLAGS),
            accept_downloads=True,
            **({"viewport": WIDE} | options),
        )
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        yield context
        context.close()


def open_page(tab: Page, address: str, title: str) -> None:
    """Opens an address and waits until the page with this title is there whole."""
    tab.goto(address)
    settled(tab, title)


def settled(tab: Page, title: str) -> None:
    """Waits until a page is there whole."""
    expect(tab.locator("h1")).to_have_text(title)
    app = tab.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-script-state", "notRunning")


def card(tab: Page, label: str) -> Locator:
    """The figure on a card."""
    title = tab.get_by_test_id("stMetricLabel").get_by_text(label, exact=True)
    return tab.get_by_test_id("stMetric").filter(has=title).get_by_test_id("stMetricValue")
