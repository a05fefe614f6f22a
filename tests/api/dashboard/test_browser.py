"""A real browser on the real dashboard: every page, the country, the address, downloads, live pages."""

import asyncio
import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from api.dashboard import formatting
from api.dashboard.navigation import VIEWS
from compose.embedded.stack import EmbeddedStack
from tests.api.dashboard.browsing import browser, card, open_page, settled, site_over
from tests.api.dashboard.running import Dashboard
from tests.api.shop import Shop, store
from tests.sink.chunk_slices import order

_DAYS: Final = "period=Between+two+days&days=2026-02-10&days=2026-02-20"
_RANGE: Final = {"start_date": "2026-02-10", "end_date": "2026-02-20"}


@pytest.fixture(scope="module")
def site(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`globalmart dashboard` over the API, as a process of its own."""
    with site_over(address, tmp_path_factory.mktemp("dashboard")) as url:
        yield url


@pytest.fixture(scope="module")
def hosts() -> set[str]:
    """Every host the browser was sent to by the pages."""
    return set()


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory, hosts: set[str]) -> Iterator[Page]:
    """One tab of a headless Chromium."""
    with browser(tmp_path_factory.mktemp("chromium")) as context:
        page = context.new_page()
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        yield page


def _choose(tab: Page, country: str) -> None:
    box = tab.get_by_test_id("stSidebar").get_by_test_id("stSelectbox").first
    box.locator("input").click()
    tab.get_by_role("option", name=country, exact=True).click()


def test_every_page_keeps_the_country_and_shows_its_figures(site: str, tab: Page, address: str) -> None:
    api = Dashboard(address)
    open_page(tab, f"{site}/?{_DAYS}", "Overview")
    every, british = (api.answer("sales/metrics", **_RANGE, **country) for country in ({}, {"country": "UK"}))
    assert every["total_revenue"] != british["total_revenue"]
    expect(card(tab, "Revenue")).to_have_text(formatting.money(every["total_revenue"]))
    _choose(tab, "UK")
    expect(card(tab, "Revenue")).to_have_text(formatting.money(british["total_revenue"]))
    expect(card(tab, "Orders")).to_have_text(formatting.number(british["total_transactions"]))
    expect(tab.locator(".js-plotly-plot")).to_have_count(4)
    for view in VIEWS:
        tab.get_by_test_id("stSidebarNav").get_by_role("link", name=view.title).click()
        settled(tab, view.title)
        label, value = _figure(api, view.path)
        expect(card(tab, label)).to_have_text(value)
        expect(tab.get_by_test_id("stException")).to_have_count(0)
        asked = parse_qs(urlsplit(tab.url).query)
        assert asked["country"] == ["UK"]
        assert asked["days"] == ["2026-02-10", "2026-02-20"]


def _figure(api: Dashboard, view: str) -> tuple[str, str]:
    """A card of a page for the UK, and what it has to show."""
    uk = {"country": "UK"}
    match view:
        case "overview":
            revenue = api.answer("sales/metrics", **uk, **_RANGE)["total_revenue"]
            return "Revenue", formatting.money(revenue)
        case "customers":
            segments = api.answer("customers/segments", **uk)["segments"]
            value = sum((segment["total_value"] for segment in segments), Decimal(0))
            return "Total value", formatting.money(value)
        case "products":
            products = api.answer("products/performance", **uk)["products"]
            return "Revenue of those shown", formatting.money(sum(p["revenue"] for p in products))
        case "trends":
            newest = api.answer("trends", **uk, **_RANGE)["trends"][-1]
            return f"Revenue of {newest['period']}", formatting.money(newest["revenue"])
        case "anomalies":
            kind = {"anomaly_type": "high_value"}
            found = api.answer("anomalies", **uk, **_RANGE, **kind, limit=1000)["anomalies"]
            return "High value", formatting.number(len(found))
        case "cases":
            waiting = len(api.answer("cases", status="open", limit=200)["cases"])
            return "Cases", "200 or more" if waiting == 200 else formatting.number(waiting)
        case "rules":
            states = [rule["state"] for rule in api.answer("rules")["rules"]]
            return "Active rules", formatting.number(states.count("active"))
        case "lists":
            return "Lists", formatting.number(len(api.answer("lists")["lists"]))
        case "operations":
            return "Workers", "0"
    raise AssertionError(f"no figure of {view} is named")


def test_a_page_is_opened_by_its_address_and_goes_back(site: str, tab: Page, address: str) -> None:
    open_page(tab, f"{site}/customers?country=USA", "Customers")
    expect(card(tab, "Total value")).to_be_visible()
    tab.get_by_test_id("stSidebarNav").get_by_role("link", name="Trends").click()
    settled(tab, "Trends")
    tab.go_back()
    settled(tab, "Customers")
    assert parse_qs(urlsplit(tab.url).query) == {"country": ["USA"]}


def test_a_table_is_downloaded_with_exact_amounts(site: str, tab: Page, address: str) -> None:
    open_page(tab, f"{site}/products?country=USA&by=Products", "Products")
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    query = {"country": "USA", "group_by": "product"}
    products = Dashboard(address).answer("products/performance", **query)["products"]
    assert [row["revenue"] for row in rows] == [str(p["revenue"]) for p in products]
    assert [row["product_id"] for row in rows] == [p["product_id"] for p in products]
    assert download.value.suggested_filename == "product-performance.csv"


def test_live_figures_need_no_reload(site: str, tab: Page, shown: Shop) -> None:
    open_page(tab, f"{site}/anomalies?period=Today", "Anomalies")
    expect(tab.get_by_text("No anomalies.")).to_be_visible()
    _order_now(shown, 0, amount_cents=912_345, country="UK")
    expect(card(tab, "High value")).to_have_text("1")
    open_page(tab, f"{site}/?period=Today&country=USA", "Overview")
    expect(card(tab, "Live: last 60 s")).to_have_text("$0.00")
    _order_now(shown, 1, amount_cents=1_234, country="USA")
    expect(card(tab, "Live: last 60 s")).to_have_text("$12.34")
    expect(tab.get_by_text("USA: $12.34 of 1 order, 0 anomalies.")).to_be_visible()
    chart = tab.locator(".st-key-live-minutes .js-plotly-plot")
    expect(chart.locator("g.points .point").first).to_be_attached()
    _order_now(shown, 2, amount_cents=600_000, country="USA")
    expect(tab.get_by_text("USA: $6,012.34 of 2 orders, 1 anomaly.")).to_be_visible()
    expect(chart.locator("g.scatterlayer .point")).to_have_count(1)


def _order_now(shown: Shop, number: int, **fields: object) -> None:
    """Store one more order, as the worker does."""
    offset = len(shown.orders[::3]) + number
    one = order(9_000_000 + number, timestamp=datetime.now(UTC), **fields)
    with ThreadPoolExecutor() as executor:  # the browser's client holds this thread's event loop
        executor.submit(asyncio.run, store(shown.database, [one], start=offset)).result()


def test_a_store_that_is_down_is_shown_and_its_return_noticed(site: str, tab: Page, stack: EmbeddedStack) -> None:
    alert = tab.get_by_test_id("stAlertContentError")
    stack.postgres.stop()
    try:
        open_page(tab, f"{site}/?period=Everything+stored", "Overview")
        expect(alert).to_contain_text("postgresql does not answer. ")
        expect(alert).to_contain_text("GLOBALMART_POSTGRES_HOST")
    finally:
        stack.postgres.start()
    expect(card(tab, "Revenue")).to_be_visible()
    expect(alert).to_have_count(0)


def test_no_other_host_was_asked(site: str, tab: Page, hosts: set[str]) -> None:
    assert hosts == {urlsplit(site).netloc}
