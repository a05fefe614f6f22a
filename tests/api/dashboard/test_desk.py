"""Cases and Rules in a real browser, as somebody would who knows fraud and not this program."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from compose.embedded.stack import EmbeddedStack
from tests.api.dashboard.browsing import browser, card, open_page, settled, site_over
from tests.api.dashboard.running import served_in_thread
from tests.api.shop import store
from tests.sink.chunk_slices import order
from tests.support.databases import Database, own_database
from tests.support.waiting import wait_until

_NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def desk(stack: EmbeddedStack) -> Iterator[tuple[Database, str]]:
    """A shop of 60 orders of this week, two of them large, and the API over it."""
    orders = [
        order(
            n,
            user_id=f"u{n % 7}",
            timestamp=_NOW - timedelta(hours=2 * n + 1),
            amount_cents={3: 912_345, 40: 600_000}.get(n, 10_000 + 1_000 * n),
        )
        for n in range(60)
    ]
    with asyncio.Runner() as runner:
        context = own_database(stack)
        database = runner.run(context.__aenter__())
        runner.run(store(database, orders))
        with served_in_thread(database.settings) as url:
            yield database, url
        runner.run(context.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One tab of a headless Chromium."""
    with browser(tmp_path_factory.mktemp("chromium")) as context:
        yield context.new_page()


@pytest.fixture(scope="module")
def site(desk: tuple[Database, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard over that API."""
    with site_over(desk[1], tmp_path_factory.mktemp("desk")) as url:
        yield url


def _button(tab: Page, name: str) -> Locator:
    return tab.get_by_role("button", name=name, exact=True)


def _press(button: Locator) -> None:
    """Presses a button of a page that is there whole: one of a page before would do nothing."""
    expect(button.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    button.page.wait_for_timeout(300)
    button.click()


def _choose(tab: Page, label: str, option: str) -> None:
    """Opens a list and takes an option; one that closes, because the page is drawn or moves, is opened again."""
    settled(tab, "Rules")
    box = tab.get_by_test_id("stSelectbox").filter(has_text=label).locator("input")
    box.scroll_into_view_if_needed()
    choice = tab.get_by_role("option", name=re.compile(option))

    def opened() -> bool:
        box.click()
        tab.wait_for_timeout(500)
        return choice.is_visible()

    wait_until(opened)
    choice.click()


def test_a_rule_is_tested_run_in_shadow_and_activated(site: str, tab: Page, desk: tuple[Database, str]) -> None:
    open_page(tab, f"{site}/rules", "Rules")
    expect(card(tab, "Active rules")).to_have_text("3")
    tab.get_by_label("Id", exact=True).fill("large_orders")
    tab.get_by_label("Name", exact=True).fill("Large orders")
    tab.get_by_label("Above", exact=True).fill("600.00")
    _press(_button(tab, "Test on history"))
    expect(card(tab, "Would be raised")).to_have_text("11")
    expect(tab.get_by_text("High value transaction: $9123.45").first).to_be_attached()
    _press(_button(tab, "Run in shadow").last)
    expect(card(tab, "In shadow")).to_have_text("1")
    _choose(tab, "Look at", "Large orders")
    expect(_button(tab, "Activate")).to_be_enabled()
    tab.get_by_label("Reason", exact=True).first.fill("it finds what we look for")
    _press(_button(tab, "Activate"))
    expect(card(tab, "Active rules")).to_have_text("4")
    expect(tab.get_by_test_id("stException")).to_have_count(0)
    told = httpx.get(f"{desk[1]}/api/v1/rules/large_orders").json()
    assert (told["state"], told["version"]) == ("active", 2)
    assert told["versions"][0]["reason"] == "it finds what we look for"


def test_a_rule_that_is_not_valid_is_explained(site: str, tab: Page) -> None:
    open_page(tab, f"{site}/rules", "Rules")
    tab.get_by_label("Id", exact=True).fill("Large Orders")
    tab.get_by_label("Name", exact=True).fill("Large orders")
    _press(_button(tab, "Run in shadow").last)
    expect(tab.get_by_text("Nothing was changed")).to_be_visible()
    expect(tab.get_by_text("lower-case letters, digits and _")).to_be_visible()
    tab.get_by_label("Id", exact=True).fill("")
    tab.get_by_label("Above", exact=True).fill("5.000,00")
    _press(_button(tab, "Test on history"))
    expect(tab.get_by_text("Id is empty")).to_be_visible()
    expect(tab.get_by_text("Above is not a number")).to_be_visible()


def test_scores_of_review_and_block_are_changed(site: str, tab: Page, desk: tuple[Database, str]) -> None:
    open_page(tab, f"{site}/rules", "Rules")
    tab.get_by_text("Change from which score").click()
    tab.get_by_label("Block from", exact=True).fill("90")
    _press(_button(tab, "Change the scores"))
    expect(card(tab, "Block from")).to_have_text("90 points")
    assert httpx.get(f"{desk[1]}/api/v1/thresholds").json()["block_from"] == 90


def test_a_rule_that_would_raise_nothing_is_told_what_to_do(site: str, tab: Page) -> None:
    open_page(tab, f"{site}/rules", "Rules")
    tab.get_by_label("Id", exact=True).fill("huge_orders")
    tab.get_by_label("Name", exact=True).fill("Huge orders")
    tab.get_by_label("Above", exact=True).fill("90000.00")
    _press(_button(tab, "Test on history"))
    expect(tab.get_by_text("No order would have been raised.")).to_be_visible()


def test_a_case_is_worked_and_the_rules_precision_follows(site: str, tab: Page, desk: tuple[Database, str]) -> None:
    open_page(tab, f"{site}/cases", "Cases")
    expect(card(tab, "Cases")).to_have_text("2")
    expect(card(tab, "Their amount")).to_have_text("$15,123.45")
    expect(tab.get_by_text("High value transaction: $9123.45: measured 9123.45, limit 5000.00")).to_be_visible()
    tab.get_by_label("Assigned to", exact=True).fill("ann")
    tab.get_by_label("Note", exact=True).fill("the card was reported stolen")
    _press(_button(tab, "Confirm fraud"))
    expect(tab.get_by_text("is confirmed as fraud")).to_be_visible()
    expect(card(tab, "Cases")).to_have_text("1")
    _press(_button(tab, "Dismiss"))
    expect(tab.get_by_text("No cases.")).to_be_visible()
    expect(tab.get_by_test_id("stException")).to_have_count(0)
    open_page(tab, f"{site}/rules?period=Last+30+days", "Rules")
    performance = httpx.get(f"{desk[1]}/api/v1/rules/high_value/performance").json()
    (version,) = performance["versions"]
    assert (version["fraud"], version["legitimate"], version["precision"]) == (1, 1, 0.5)
    assert version["money_caught"] == 9123.45
    history = httpx.get(f"{desk[1]}/api/v1/cases", params={"status": "confirmed"}).json()["cases"]
    assert [case["assignee"] for case in history] == ["ann"]


def test_what_somebody_else_changed_is_told(site: str, tab: Page, desk: tuple[Database, str], tmp_path: Path) -> None:
    open_page(tab, f"{site}/rules", "Rules")
    _choose(tab, "Look at", "Unusual quantity")
    expect(_button(tab, "Pause")).to_be_enabled()
    answer = httpx.patch(
        f"{desk[1]}/api/v1/rules/unusual_quantity", json={"weight": 35, "reason": "x"}, headers={"If-Match": '"1"'}
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    _press(_button(tab, "Pause"))
    expect(tab.get_by_text("is at version 2, not 1")).to_be_visible()
