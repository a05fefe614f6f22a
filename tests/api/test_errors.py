"""Every error is a problem detail that says what is wrong, and nothing about the inside."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from api.keys import hash_of, new_key
from compose.embedded.stack import EmbeddedStack
from tests.api.serving import api_over
from tests.api.shop import store
from tests.sink.chunk_slices import order
from tests.support.databases import Database

SALES = "/api/v1/sales/metrics"
ANOMALIES = "/api/v1/anomalies"
BREAKDOWN = "/api/v1/sales/breakdown"
SEGMENTS = "/api/v1/customers/segments"
PRODUCTS = "/api/v1/products/performance"
TRENDS = "/api/v1/trends"
STREAM = "/api/v1/anomalies/stream"


def _problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem in an answer, its form checked."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), (
        response.text
    )
    content: dict[str, Any] = response.json()
    assert content["status"] == status
    assert {"type", "title", "detail"} <= content.keys()
    assert "Traceback" not in response.text
    return content


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        (SALES, {"start_date": "yesterday"}, "start_date"),
        (SALES, {"start_date": "1762041600"}, "start_date"),
        (SALES, {"start_date": "20251102xx"}, "start_date"),
        (SALES, {"end_date": "2025-02-30"}, "end_date"),
        (SALES, {"end_date": "0001-01-01T00:00:00+05:00"}, "end_date"),
        (SALES, {"start_date": "2025-12-07", "end_date": "2025-12-05"}, "end_date"),
        (SALES, {"contry": "UK"}, "contry"),
        (SALES, {"country": "x" * 51}, "country"),
        (SALES, {"country": "U\0K"}, "country"),
        (ANOMALIES, {"limit": "0"}, "limit"),
        (ANOMALIES, {"limit": "1001"}, "limit"),
        (ANOMALIES, {"limit": "many"}, "limit"),
        (ANOMALIES, {"cursor": "rubbish"}, "cursor"),
        (ANOMALIES, {"start_date": ""}, "start_date"),
        (ANOMALIES, {"start_date": "1612101231530"}, "start_date"),
        (BREAKDOWN, {"group_by": "minute"}, "group_by"),
        (BREAKDOWN, {"end_date": "soon"}, "end_date"),
        (BREAKDOWN, {"start_date": "20251102"}, "start_date"),
        (SEGMENTS, {"contry": "UK"}, "contry"),
        (SEGMENTS, {"country": "x" * 51}, "country"),
        ("/api/v1/customers/rfm", {"limit": "1"}, "limit"),
        ("/api/v1/customers/migrations", {"country": "UK"}, "country"),
        (PRODUCTS, {"group_by": "country"}, "group_by"),
        (PRODUCTS, {"limit": "1001"}, "limit"),
        (PRODUCTS, {"category": "x" * 101}, "category"),
        (TRENDS, {"period_type": "yearly"}, "period_type"),
        (TRENDS, {"cursor": "rubbish"}, "cursor"),
        (TRENDS, {"start_date": "W09"}, "start_date"),
        (TRENDS, {"end_date": "2025-W49-7"}, "end_date"),
        ("/api/v1/funnel", {"start_date": "2025-12-07", "end_date": "2025-12-05"}, "end_date"),
        ("/api/v1/funnel", {"start_date": "20251102T101500Z"}, "start_date"),
        ("/api/v1/operations", {"store": "mongodb"}, "store"),
        ("/api/v1/dimensions", {"x": "y"}, "x"),
        ("/api/v1/live/revenue", {"x": "y"}, "x"),
        ("/api/v1/live/minutes", {"x": "y"}, "x"),
        ("/api/v1/live/minutes", {"country": ""}, "country"),
        ("/api/v1/customers/a%00b", {}, "user_id"),
        ("/api/v1/transactions/" + "x" * 101, {}, "transaction_id"),
        ("/api/v1/transactions/a%00b", {}, "transaction_id"),
    ],
)
async def test_wrong_input_names_the_field(database: Database, path: str, query: Mapping[str, str], field: str) -> None:
    async with api_over(database) as client:
        content = _problem(await client.get(path, params=query or None), 422)
    assert [each["field"] for each in content["errors"]] == [field]
    assert field in content["detail"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (SALES, {}),
        (ANOMALIES, {}),
        (TRENDS, {}),
        ("/api/v1/funnel", {}),
        *((BREAKDOWN, {"group_by": group}) for group in ("day", "hour", "category", "country")),
    ],
)
async def test_the_ends_of_the_calendar_are_no_bugs(
    database: Database, night: object, path: str, query: Mapping[str, str]
) -> None:
    await store(database, [order(0)])
    edges = ["0001-01-01", "0001-01-01T00:00:00.000001Z", "0025-11-29", "1582-10-10"]
    edges += ["9999-12-30", "9999-12-31", "9999-12-31T23:59:59.999999Z"]
    async with api_over(database) as client:
        for first in range(len(edges)):
            for last in edges[first:]:
                given = {**query, "start_date": edges[first], "end_date": last}
                response = await client.get(path, params=given)
                assert response.status_code == 200, (given, response.text)
            given = {**query, "country": "UK", "start_date": edges[first]}
            assert (await client.get(path, params=given)).status_code == 200, given


@pytest.mark.parametrize("event", ["-1", "x", "9223372036854775808"])
async def test_a_wrong_last_event_id_is_named(database: Database, event: str) -> None:
    async with api_over(database) as client:
        content = _problem(await client.get(STREAM, headers={"Last-Event-ID": event}), 422)
    assert [each["field"] for each in content["errors"]] == ["last-event-id"]


async def test_what_the_server_does_not_do(database: Database) -> None:
    async with api_over(database) as client:
        _problem(await client.get("/api/v2/sales"), 404)
        assert _problem(await client.post(SALES), 405)["title"] == "Method Not Allowed"
        _problem(await client.request("GET", SALES, content=b"x" * 262_145), 413)
        assert (await client.request("GET", SALES, content=b"x" * 262_144)).status_code == 200


async def test_a_bug_is_500_and_tells_nothing(database: Database) -> None:
    async with database.owner() as owner:
        await owner.execute("ALTER TABLE revenue_daily DROP COLUMN total_amount CASCADE")
    async with api_over(database) as client:
        response = await client.get(SALES)
    _problem(response, 500)
    assert "total_amount" not in response.text


async def test_a_key_is_asked_for_where_keys_are_set(database: Database) -> None:
    key = new_key()
    limits: dict[str, Any] = {"key_burst": 3, "key_rate_per_second": 0.001}
    hashes = f"{'0' * 64}, {hash_of(key)}"
    async with api_over(database, key_hashes=hashes, **limits) as client:
        for wrong in (None, "guess", hash_of(key)):
            content = await client.get(SALES, headers={"X-API-Key": wrong} if wrong else {})
            assert "X-API-Key" in _problem(content, 401)["detail"]
        for path in ("/health", "/ready", "/metrics"):
            assert (await client.get(path)).status_code == 200
        asked = [await client.get(SALES, headers={"X-API-Key": key}) for _ in range(3)]
        assert [response.status_code for response in asked] == [200] * 3
        refused = await client.get(SALES, headers={"X-API-Key": key})
        _problem(refused, 429)
        assert int(refused.headers["Retry-After"]) >= 1


async def test_a_store_that_is_down_is_named_and_found_again(
    database: Database, stack: EmbeddedStack, night: object
) -> None:
    await store(database, [order(0)])
    paths = [SALES, ANOMALIES, "/api/v1/transactions/t000000", "/api/v1/live/revenue", "/api/v1/live/minutes"]
    paths += ["/api/v1/dimensions", BREAKDOWN, STREAM]
    async with api_over(database) as client:
        assert (await client.get(SALES)).json()["total_revenue"] == 19.99
        stack.postgres.stop()
        try:
            for path in paths:
                response = await client.get(path)
                assert _problem(response, 503)["store"] == "postgresql"
                assert int(response.headers["Retry-After"]) >= 1
                password = database.postgres.reader_password
                assert password is not None
                assert password.get_secret_value() not in response.text
            for path in ("/health", SEGMENTS, PRODUCTS, TRENDS, "/api/v1/operations"):
                assert (await client.get(path)).status_code == 200, path
            unready = await client.get("/ready")
        finally:
            stack.postgres.start()
        states = {each["name"]: each["status"] for each in unready.json()["dependencies"]}
        assert (unready.status_code, states) == (503, {"postgresql": "down", "mongodb": "up"})
        for path in paths[:-1]:
            assert (await client.get(path)).status_code == 200, path
        assert (await client.get("/ready")).json()["status"] == "ready"


async def test_a_process_that_starts_before_its_store(database: Database, stack: EmbeddedStack) -> None:
    stack.postgres.stop()
    async with AsyncExitStack() as process:
        try:
            client = await process.enter_async_context(api_over(database))
            _problem(await client.get(SALES), 503)
        finally:
            stack.postgres.start()
        assert (await client.get(SALES)).status_code == 200
