"""Pages over shops of odd shapes, wide and on a phone, light and dark: nothing is cut off.

One browser and one dashboard serve all shops: the API behind the dashboard's address is another one for each.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from api.dashboard.palette import DARK, LIGHT
from compose.embedded.ports import LOOPBACK, choose_port
from compose.embedded.stack import EmbeddedStack
from tests.api.dashboard.browsing import PHONE, WIDE, browser, card, open_page, site_over
from tests.api.dashboard.running import served_in_thread
from tests.api.dashboard.shapes import SHAPES
from tests.api.shop import store
from tests.support.databases import own_database

_Screen = tuple[Literal["light", "dark"], ViewportSize]
_SCREENS: Final[Sequence[_Screen]] = (("light", PHONE), ("dark", WIDE))
_PERIODS: Final = ("Today", "Last+30+days")
#: Texts of charts that reach over their chart by more than a pixel, and what is wider than the page.
_OVERHANGS: Final = """() => {
    const found = [];
    for (const plot of document.querySelectorAll('.js-plotly-plot')) {
        const frame = plot.getBoundingClientRect();
        for (const text of plot.querySelectorAll('svg text')) {
            const box = text.getBoundingClientRect();
            if (box.width && (box.left < frame.left - 1 || box.right > frame.right + 1)) found.push(text.textContent);
        }
    }
    for (const figure of document.querySelectorAll('[data-testid=stMetricValue] *')) {
        if (figure.scrollWidth > figure.clientWidth + 1) found.push(figure.textContent);
    }
    const page = document.querySelector('[data-testid=stMain]');
    if (page.scrollWidth > page.clientWidth) found.push(`a page of ${page.scrollWidth}`);
    return found;
}"""


@asynccontextmanager
async def _shop(stack: EmbeddedStack, shape: str) -> AsyncIterator[Any]:
    async with own_database(stack) as database:
        orders = SHAPES[shape](datetime.now(UTC))
        if orders:
            await store(database, *(orders[start::3] for start in range(3)))
        yield database.settings


def _look_at(tab: Page, site: str, shape: str) -> None:
    for scheme, viewport in _SCREENS:
        tab.emulate_media(color_scheme=scheme)
        tab.set_viewport_size(viewport)
        for period in _PERIODS:
            open_page(tab, f"{site}/?period={period}", "Overview")
            _assert_whole(tab, shape)
            _assert_themed(tab, scheme)


def _assert_whole(tab: Page, shape: str) -> None:
    expect(card(tab, "Revenue")).to_be_visible()
    expect(tab.get_by_text("Last 60 minutes", exact=True)).to_be_visible()
    if shape == "none":
        expect(tab.get_by_text("No orders in the last 60 minutes.")).to_be_visible()
        expect(tab.locator(".js-plotly-plot")).to_have_count(0)
    else:
        expect(tab.locator(".st-key-live-minutes .js-plotly-plot .bars .point").first).to_be_attached()
    expect(tab.get_by_test_id("stException")).to_have_count(0)
    expect(tab.get_by_test_id("stAlertContentError")).to_have_count(0)
    assert tab.evaluate(_OVERHANGS) == []


def _assert_themed(tab: Page, scheme: str) -> None:
    background = (DARK if scheme == "dark" else LIGHT).background
    red, green, blue = (int(background[n : n + 2], 16) for n in (1, 3, 5))
    expect(tab.get_by_test_id("stApp")).to_have_css("background-color", f"rgb({red}, {green}, {blue})")


@pytest.fixture(scope="module")
def browsing() -> Iterator[ThreadPoolExecutor]:
    """The browser's thread: its client needs one without an event loop, and always the same."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        yield thread


@pytest.fixture(scope="module")
def tab(browsing: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A tab for every shop; only the thread of `browsing` may touch it."""
    opened = browser(tmp_path_factory.mktemp("chromium"))
    context = browsing.submit(opened.__enter__).result()
    yield browsing.submit(context.new_page).result()
    browsing.submit(opened.__exit__, None, None, None).result()


@pytest.fixture(scope="module")
def api_port() -> int:
    """Where the dashboard looks for the API of whatever shop is open."""
    return choose_port()


@pytest.fixture(scope="module")
def site(api_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard; its live parts are drawn once, for here nothing moves."""
    folder = tmp_path_factory.mktemp("dashboard")
    with site_over(f"http://{LOOPBACK}:{api_port}", folder, refresh_seconds="3600") as url:
        yield url


@pytest.mark.parametrize("shape", SHAPES)
async def test_nothing_is_cut_off(
    stack: EmbeddedStack, browsing: ThreadPoolExecutor, tab: Page, site: str, api_port: int, shape: str
) -> None:
    async with _shop(stack, shape) as settings:
        with served_in_thread(settings, api_port):
            browsing.submit(_look_at, tab, site, shape).result()
