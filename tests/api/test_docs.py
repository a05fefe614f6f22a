"""/docs and /redoc in a real browser that can reach nothing but the API."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from playwright.async_api import Route, async_playwright, expect

from api.application import create_app
from api.keys import hash_of, new_key
from tests.api.serving import served, with_api
from tests.api.shop import store
from tests.sink.chunk_slices import order
from tests.support.chromium import CHROMIUM_FLAGS
from tests.support.databases import Database

_SECONDS: Final = 60
expect.set_options(timeout=_SECONDS * 1000)
#: As in the README, but for where the key comes from and what is done with an anomaly.
_CLIENT: Final = """
async (key) => {
  window.seen = [];
  let last = 0;
  async function follow() {
    const answer = await fetch("/api/v1/anomalies/stream/ticket", {headers: {"X-API-Key": key}});
    const {ticket} = await answer.json();
    const source = new EventSource(`/api/v1/anomalies/stream?ticket=${ticket}&last_event_id=${last}`);
    source.addEventListener("anomaly", (event) => {
      last = event.lastEventId;
      window.seen.push(JSON.parse(event.data).transaction_id);
    });
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(follow, 200);
    };
    window.source = source;
  }
  window.follow = follow;
  await follow();
}
"""


async def test_the_docs_need_no_other_host(database: Database, tmp_path: Path) -> None:
    async with served(create_app(database.settings)) as address, async_playwright() as playwright:
        browser = await playwright.chromium.launch_persistent_context(
            tmp_path, executable_path="/usr/bin/chromium", args=list(CHROMIUM_FLAGS)
        )
        own, elsewhere = urlsplit(address).netloc, set()

        async def only_own(route: Route) -> None:
            if urlsplit(route.request.url).netloc == own or route.request.url.startswith("data:"):
                await route.continue_()
            else:
                elsewhere.add(route.request.url)
                await route.abort()

        await browser.route("**/*", only_own)
        page = await browser.new_page()
        page.set_default_timeout(_SECONDS * 1000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(f"{address}/docs")
        await expect(page.locator(".title").first).to_contain_text("GlobalMart Analytics API")
        await page.locator("#operations-sales-metrics_api_v1_sales_metrics_get").click()
        await expect(page.get_by_text("Revenue, orders and their average").first).to_be_visible()
        await page.get_by_role("button", name="Try it out").click()
        await page.get_by_role("button", name="Execute").click()
        await expect(page.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("200")
        await page.goto(f"{address}/redoc")
        await expect(page.locator("h1").first).to_contain_text("GlobalMart Analytics API")
        assert errors == []
        assert elsewhere == set()
        await browser.close()


async def test_a_browsers_event_source_follows_with_a_ticket(database: Database, tmp_path: Path) -> None:
    """It cannot send the key, goes on behind the last event, and gets a new ticket when one is over."""
    key = new_key()
    settings = with_api(database.settings, key_hashes=hash_of(key), stream_ticket_seconds=1, stream_poll_seconds=0.1)
    await store(database, [order(0, amount_cents=600_000)])
    async with database.owner() as owner:
        await _number(owner)
        async with served(create_app(settings)) as address, async_playwright() as playwright:
            browser = await playwright.chromium.launch_persistent_context(
                tmp_path, executable_path="/usr/bin/chromium", args=list(CHROMIUM_FLAGS)
            )
            page = await browser.new_page()
            page.set_default_timeout(_SECONDS * 1000)
            await page.goto(f"{address}/health")
            await page.evaluate(_CLIENT, key)
            await page.wait_for_function("window.seen.length === 1")
            await asyncio.sleep(1.1)
            await store(database, [order(0, transaction_id="later", amount_cents=700_000)], start=1)
            await _number(owner)
            await page.wait_for_function("window.seen.length === 2")
            await page.evaluate("window.source.close(); window.follow()")
            await store(database, [order(0, transaction_id="latest", amount_cents=800_000)], start=2)
            await _number(owner)
            await page.wait_for_function("window.seen.length === 3")
            assert await page.evaluate("window.seen") == ["t000000", "later", "latest"]
            await browser.close()


async def _number(owner: asyncpg.Connection) -> None:
    """What the worker's outbox does."""
    await owner.execute(
        "UPDATE transaction_anomalies SET position = id WHERE position IS NULL; UPDATE outbox_progress SET "
        "numbered_position = (SELECT max(position) FROM transaction_anomalies) WHERE stream = 'anomalies'"
    )


async def test_a_ticket_opens_the_stream_alone_and_for_its_time(database: Database) -> None:
    key, now = new_key(), [1_765_081_920.0]
    settings = with_api(database.settings, key_hashes=f"{hash_of(key)}, {'0' * 64}")
    app = create_app(settings, now=lambda: datetime.fromtimestamp(now[0], UTC))
    async with served(app) as address, httpx.AsyncClient(base_url=address) as client:
        stream, place = "/api/v1/anomalies/stream", "/api/v1/anomalies/stream/ticket"
        assert (await client.get(place)).status_code == 401
        given = await client.get(place, headers={"X-API-Key": key})
        ticket = given.json()["ticket"]
        assert given.headers["cache-control"] == "no-store"
        assert given.json()["expires_at"] == "2025-12-07T04:33:00Z"
        assert key not in ticket and hash_of(key) not in ticket
        assert (await client.head(stream, params={"ticket": ticket})).status_code == 200
        assert (await client.head(stream, headers={"X-API-Key": key})).status_code == 200
        assert (await client.get("/api/v1/dimensions", params={"ticket": ticket})).status_code == 401
        expires, name, signature = ticket.split(".")
        forged = [
            f"{int(expires) + 1}.{name}.{signature}",
            f"{expires}.{'0' * 16}.{signature}",
            ticket[:-1],
            "",
            "x",
            key,
        ]
        for wrong in forged:
            refused = await client.head(stream, params={"ticket": wrong})
            assert refused.status_code == 401, wrong
        now[0] += 60
        assert (await client.head(stream, params={"ticket": ticket})).status_code == 401


@pytest.mark.parametrize("query", [{"ticket": "anything"}, {}])
async def test_without_keys_nobody_needs_a_ticket(database: Database, query: dict[str, str]) -> None:
    async with served(create_app(database.settings)) as address, httpx.AsyncClient(base_url=address) as client:
        assert (await client.head("/api/v1/anomalies/stream", params=query)).status_code == 200
        assert (await client.get("/api/v1/anomalies/stream/ticket")).status_code == 200
