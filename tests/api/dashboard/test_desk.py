"""Cases, Rules and Lists in a real browser, as somebody would who knows fraud and not this program."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from compose.embedded.stack import EmbeddedStack
from tests.api.dashboard.browsing import PHONE, browser, card, open_page, settled, site_over
from tests.api.dashboard.running import served_in_thread
from tests.api.shop import store
from tests.sink.chunk_slices import order
from tests.support.databases import Database, own_database
from tests.support.waiting import wait_until

_NOW = datetime.now(UTC)
_LAPTOP: ViewportSize = {"width": 1280, "height": 1000}
#: Cells that reach over their table's frame, and what is wider than the page.
_CUT = """() => {
    const cells = [...document.querySelectorAll('[data-testid=stTable] :is(td, th, p)')];
    const right = element => element.getBoundingClientRect().right;
    const cut = cells.filter(cell => right(cell) > right(cell.closest('[data-testid=stTable]')) + 1);
    const found = cut.map(cell => cell.innerText);
    const page = document.querySelector('[data-testid=stMain]');
    if (page.scrollWidth > page.clientWidth) found.push(`a page of ${page.scrollWidth}`);
    return found;
}"""


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


def _choose(tab: Page, label: str, option: str, title: str = "Rules") -> None:
    """Opens a list and takes an option; one that closes, because the page is drawn or moves, is opened again."""
    settled(tab, title)
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
    expect(tab.get_by_role("heading", name="Large orders")).to_be_visible()
    expect(_button(tab, "Activate")).to_be_enabled()
    tab.get_by_label("Reason", exact=True).first.fill("it finds what we look for")
    _press(_button(tab, "Activate"))
    expect(card(tab, "Active rules")).to_have_text("4")
    expect(tab.get_by_test_id("stException")).to_have_count(0)
    rule = httpx.get(f"{desk[1]}/api/v1/rules/large_orders").json()
    assert (rule["state"], rule["version"]) == ("active", 2)
    assert rule["versions"][0]["reason"] == "it finds what we look for"


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


def test_a_rule_that_would_raise_nothing_says_what_to_do(site: str, tab: Page) -> None:
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


def test_what_somebody_else_changed_is_shown(site: str, tab: Page, desk: tuple[Database, str], tmp_path: Path) -> None:
    open_page(tab, f"{site}/rules", "Rules")
    _choose(tab, "Look at", "Unusual quantity")
    # The rule has to be on the page as it was: the page of the former rule has the same buttons.
    expect(tab.get_by_role("heading", name="Unusual quantity")).to_be_visible()
    settled(tab, "Rules")
    expect(_button(tab, "Pause")).to_be_enabled()
    answer = httpx.patch(
        f"{desk[1]}/api/v1/rules/unusual_quantity", json={"weight": 35, "reason": "x"}, headers={"If-Match": '"1"'}
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    _press(_button(tab, "Pause"))
    expect(tab.get_by_text("is at version 2, not 1")).to_be_visible()


def _row(tab: Page, value: str) -> Locator:
    return tab.get_by_role("row").filter(has=tab.get_by_text(value, exact=True))


def _take_off(tab: Page, value: str) -> None:
    """Chooses a value to remove, and asks for it: the page then asks whether it is meant."""
    settled(tab, "Lists")
    expect(tab.get_by_test_id("stMultiSelect")).to_have_count(1)
    box = tab.get_by_test_id("stMultiSelect").locator("input")
    box.scroll_into_view_if_needed()
    choice = tab.get_by_role("option", name=value, exact=True)

    def opened() -> bool:
        box.click()
        tab.wait_for_timeout(500)
        return choice.is_visible()

    wait_until(opened)
    choice.click()
    tab.keyboard.press("Escape")
    _press(_button(tab, "Remove …"))


def test_a_list_is_made_filled_and_a_value_taken_off(site: str, tab: Page, desk: tuple[Database, str]) -> None:
    open_page(tab, f"{site}/lists", "Lists")
    expect(tab.get_by_text("There is no list yet.")).to_be_visible()
    tab.get_by_label("Name of the list", exact=True).fill("stolen_cards")
    _choose(tab, "Field of the order", "^card$", "Lists")
    _press(_button(tab, "Make the list"))
    expect(tab.get_by_text("The list stolen_cards is made")).to_be_visible()
    expect(tab.get_by_text("orders whose card is on it get 100 points")).to_be_visible()
    harmless, long = "<img src=x onerror=document.title='hurt'>", "x" * 200
    tab.get_by_label("Values, one per line", exact=True).fill(f"c7f3\n{harmless}\n{long}\n  9a01  \n\n")
    tab.get_by_label("Note", exact=True).fill("*reported* stolen")
    _press(_button(tab, "Add to the list"))
    expect(tab.get_by_text("3 values added.")).to_be_visible()
    expect(tab.get_by_text("has 200 characters, 100 at most are allowed")).to_be_visible()
    expect(tab.get_by_label("Values, one per line", exact=True)).to_have_value(long)
    expect(_row(tab, harmless)).to_contain_text("*reported* stolen")
    assert "hurt" not in tab.title()
    _take_off(tab, "c7f3")
    expect(tab.get_by_text("1 value of stolen_cards will no longer be compared")).to_be_visible()
    _press(_button(tab, "Remove 1 value"))
    expect(tab.get_by_text("1 value removed.")).to_be_visible()
    expect(_row(tab, "c7f3")).to_have_count(0)
    entries = httpx.get(f"{desk[1]}/api/v1/lists/stolen_cards").json()["entries"]
    assert [entry["value"] for entry in entries] == ["9a01", harmless]


def test_a_value_that_somebody_else_removed_is_named(site: str, tab: Page, desk: tuple[Database, str]) -> None:
    place = f"{desk[1]}/api/v1/lists/shared"
    answer = httpx.post(place, params={"create": "true"}, json={"entries": [{"value": "c1"}, {"value": "c2"}]})
    assert answer.status_code == httpx.codes.OK, answer.text
    open_page(tab, f"{site}/lists", "Lists")
    _choose(tab, "Look at", "shared", "Lists")
    expect(_row(tab, "c1")).to_be_visible()
    _take_off(tab, "c1")
    expect(_button(tab, "Remove 1 value")).to_be_visible()
    assert httpx.request("DELETE", place, json={"values": ["c1"]}).status_code == httpx.codes.OK
    _press(_button(tab, "Remove 1 value"))
    expect(tab.get_by_text("1 had been removed by somebody else")).to_be_visible()
    expect(_row(tab, "c1")).to_have_count(0)
    expect(tab.get_by_test_id("stException")).to_have_count(0)


def test_long_names_and_values_are_whole_on_a_phone_too(site: str, tab: Page, desk: tuple[Database, str]) -> None:
    name, value = "l" * 50, "x" * 100
    body = {"entries": [{"value": value, "note": "n" * 300}, {"value": "erased-0123"}]}
    answer = httpx.post(f"{desk[1]}/api/v1/lists/{name}", params={"create": "true"}, json=body)
    assert answer.status_code == httpx.codes.OK, answer.text
    rule = {"kind": "amount", "id": "wordy", "name": f"{'w' * 60} {'v' * 39}", "above": "90000.00"}
    assert httpx.post(f"{desk[1]}/api/v1/rules", json=rule).status_code == httpx.codes.CREATED
    for viewport in (PHONE, _LAPTOP):
        tab.set_viewport_size(viewport)
        open_page(tab, f"{site}/rules", "Rules")
        expect(tab.get_by_role("columnheader", name="In shadow")).to_be_visible()
        assert tab.evaluate(_CUT) == []
        open_page(tab, f"{site}/lists", "Lists")
        _choose(tab, "Look at", name, "Lists")
        expect(_row(tab, value)).to_be_visible()
        expect(tab.get_by_text("erased-0123 (an erased user)").first).to_be_visible()
        assert tab.evaluate(_CUT) == []
