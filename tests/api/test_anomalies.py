"""Anomalies: the guide's fields, the filters, and pages that show every row once."""

from decimal import Decimal
from typing import Any

import pytest

from tests.api.serving import answered, api_over
from tests.api.shop import JUDGED_AT, Shop, store
from tests.sink.chunk_slices import NOON, order
from tests.support.databases import Database

PATH = "/api/v1/anomalies"


async def test_the_guides_fields(database: Database) -> None:
    await store(database, [order(0, amount_cents=900_000, user_id="user456", quantity=2)])
    async with api_over(database) as client:
        got = await answered(client, PATH)
    assert got == {
        "anomalies": [
            {
                "transaction_id": "t000000",
                "user_id": "user456",
                "anomaly_type": "high_value",
                "anomaly_score": Decimal("1.8000"),
                "amount": Decimal("9000.00"),
                "detected_at": JUDGED_AT.isoformat().replace("+00:00", "Z"),
                "description": "High value transaction: $9000.00",
            }
        ],
        "next_cursor": None,
    }


async def _stored(shop: Shop) -> list[tuple[str, str]]:
    rows = await shop.database.fetch(
        "SELECT transaction_id, anomaly_type FROM transaction_anomalies ORDER BY event_time DESC, id DESC"
    )
    return [(row["transaction_id"], row["anomaly_type"]) for row in rows]


def _names(anomalies: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["transaction_id"], each["anomaly_type"]) for each in anomalies]


@pytest.mark.parametrize("limit", [1, 7, 100, 1000])
async def test_pages_show_every_row_once_newest_first(shop: Shop, limit: int) -> None:
    found: list[tuple[str, str]] = []
    query: dict[str, Any] = {"limit": limit, "start_date": "2026-02-10"}
    expected = [
        name
        for name in await _stored(shop)
        if next(o for o in shop.orders if o.transaction_id == name[0]).timestamp.isoformat() >= "2026-02-10"
    ]
    async with api_over(shop.database) as client:
        while True:
            page = await answered(client, PATH, **query)
            found += _names(page["anomalies"])
            if page["next_cursor"] is None:
                break
            assert len(page["anomalies"]) == limit
            query["cursor"] = page["next_cursor"]
    assert len(expected) > 100
    assert found == expected


async def test_many_anomalies_at_one_instant_are_paged_too(database: Database) -> None:
    await store(database, [order(n, amount_cents=600_000, quantity=10) for n in range(20)])
    found, query = [], {"limit": 3}
    async with api_over(database) as client:
        for _ in range(30):
            page = await answered(client, PATH, **query)
            found += _names(page["anomalies"])
            query["cursor"] = page["next_cursor"]
            if page["next_cursor"] is None:
                break
    assert len(found) == len(set(found)) == 20 + 20 + 15


async def test_filters(shop: Shop) -> None:
    stored = await _stored(shop)
    day = (NOON.date()).isoformat()
    async with api_over(shop.database) as client:
        for kind in ("high_value", "unusual_quantity", "rapid_transactions", "no_such_type"):
            got = await answered(client, PATH, anomaly_type=kind, limit=1000)
            assert _names(got["anomalies"]) == [name for name in stored if name[1] == kind]
        for country in ("UK", "unknown", "Atlantis"):
            got = await answered(client, PATH, country=country, limit=1000)
            ids = {order.transaction_id for order in shop.where(country=country)}
            assert _names(got["anomalies"]) == [name for name in stored if name[0] in ids]
        got = await answered(client, PATH, start_date=day, end_date=day, limit=1000)
        ids = {o.transaction_id for o in shop.orders if o.timestamp.date() == NOON.date()}
        assert _names(got["anomalies"]) == [name for name in stored if name[0] in ids]


async def test_a_page_has_100_rows_unless_asked_otherwise(shop: Shop) -> None:
    async with api_over(shop.database) as client:
        got = await answered(client, PATH)
    assert len(got["anomalies"]) == 100
    assert got["next_cursor"]


async def test_a_cursor_of_another_question_is_refused(shop: Shop) -> None:
    async with api_over(shop.database) as client:
        cursor = (await answered(client, PATH))["next_cursor"]
        response = await client.get(PATH, params={"cursor": cursor, "anomaly_type": "high_value"})
    assert response.status_code == 422
    assert [each["field"] for each in response.json()["errors"]] == ["cursor"]
