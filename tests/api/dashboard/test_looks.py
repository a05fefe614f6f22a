"""Pages over shops of odd shapes, wide and on a phone, light and dark: nothing is cut off."""

from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from api.dashboard.palette import DARK, LIGHT
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


def _looked_at(site: str, folder: Path, shape: str) -> None:
    with browser(folder / "chromium") as context:
        tab = context.new_page()
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


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as running:
        yield running


@pytest.mark.parametrize("shape", SHAPES)
async def test_nothing_is_cut_off(
    stack: EmbeddedStack, tmp_path: Path, executor: ThreadPoolExecutor, shape: str
) -> None:
    async with _shop(stack, shape) as settings:
        with served_in_thread(settings) as api_url, site_over(api_url, tmp_path) as site:
            # The browser's client needs a thread without an event loop.
            executor.submit(_looked_at, site, tmp_path, shape).result()
