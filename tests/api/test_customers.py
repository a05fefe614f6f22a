"""Segments, the matrix behind them, migrations and single customers, against naive figures of the documents."""

from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import pytest

from compose.embedded.stack import EmbeddedStack
from tests.api.marts import Row, mean, total
from tests.api.serving import answered, api_over
from tests.api.shop import store
from tests.sink.chunk_slices import NOON, order
from tests.support.databases import Database

PATH = "/api/v1/customers"
NOWHERE = "Atlantis"


def _of(night: dict[str, list[Row]], country: str | None) -> list[Row]:
    rows = night["customer_segments"]
    return [row for row in rows if country in (None, row["country"])]


def _query(country: str | None) -> dict[str, Any]:
    return {} if country is None else {"country": country}


@pytest.mark.parametrize("country", [None, "UK", "unknown", NOWHERE])
async def test_segments_have_the_guides_fields(
    database: Database, night: dict[str, list[Row]], country: str | None
) -> None:
    rows = sorted(_of(night, country), key=lambda row: str(row["segment_name"]))
    lines = []
    for name, group in groupby(rows, key=lambda row: row["segment_name"]):
        members = list(group)
        value = total(members, "monetary")
        lines.append(
            {
                "segment_name": name,
                "customer_count": len(members),
                "avg_monetary": mean(value, len(members)),
                "avg_frequency": mean(total(members, "frequency"), len(members)),
                "total_value": value,
            }
        )
    lines.sort(key=lambda line: -line["total_value"])
    async with api_over(database) as client:
        got = await answered(client, f"{PATH}/segments", **_query(country))
    assert got == {"segments": lines, "as_of": "2026-02-28", "note": None}
    assert (lines == []) is (country == NOWHERE)


@pytest.mark.parametrize("country", [None, "USA"])
async def test_the_matrix_counts_every_customer(
    database: Database, night: dict[str, list[Row]], country: str | None
) -> None:
    cells: dict[tuple[int, int, str], list[Row]] = {}
    for row in _of(night, country):
        cells.setdefault((row["r_score"], row["f_score"], row["segment_name"]), []).append(row)
    async with api_over(database) as client:
        got = await answered(client, f"{PATH}/rfm", **_query(country))
    assert got["cells"] == [
        {
            "recency_score": r,
            "frequency_score": f,
            "segment_name": name,
            "customers": len(rows),
            "revenue": total(rows, "monetary"),
        }
        for (r, f, name), rows in sorted(cells.items())
    ]
    assert got["as_of"] == "2026-02-28"


async def test_migrations(database: Database, night: dict[str, list[Row]]) -> None:
    names = ("from", "to", "customers", "revenue")
    lines = [{name: row[name] for name in names} for row in night["segment_migrations"]]
    async with api_over(database) as client:
        got = await answered(client, f"{PATH}/migrations")
    assert got == {"migrations": sorted(lines, key=lambda line: (line["from"], line["to"])), "as_of": "2026-02-28"}


async def test_a_customer_with_orders_since(database: Database, night: dict[str, list[Row]]) -> None:
    orders = [order(n, user_id="u7", timestamp=NOON + timedelta(minutes=n)) for n in range(12)]
    await store(database, [*orders, order(12, user_id="u7", timestamp=NOON, amount_cents=900_000)])
    row = dict(night["customer_segments"][7])
    async with api_over(database) as client:
        got = dict(await answered(client, f"{PATH}/u7"))
    newest = got.pop("recent_transactions")
    assert [each["transaction_id"] for each in newest] == [each.transaction_id for each in reversed(orders[2:])]
    assert newest[0]["total_amount"] == Decimal("19.99")
    assert got.pop("recent_anomalies") == []
    for name in ("last_purchase", "analysis_date"):
        row[name] = row[name].isoformat().replace("+00:00", "Z")
        got[name] = got[name].replace(".000Z", "Z")
    assert got == {**row, "as_of": "2026-02-28", "note": None, "unavailable": []}


async def test_what_a_customers_newest_orders_raised(database: Database, night: dict[str, list[Row]]) -> None:
    await store(database, [order(0, user_id="u7", amount_cents=900_000, quantity=10)])
    async with api_over(database) as client:
        got = await answered(client, f"{PATH}/u7")
    assert {each["anomaly_type"] for each in got["recent_anomalies"]} == {"high_value", "unusual_quantity"}


async def test_an_unknown_customer_is_404(database: Database, night: dict[str, list[Row]]) -> None:
    async with api_over(database) as client:
        response = await client.get(f"{PATH}/nobody%2Fhere")
    assert (response.status_code, response.json()["type"]) == (404, "about:blank")


async def test_a_customer_while_postgresql_is_down(
    database: Database, night: dict[str, list[Row]], stack: EmbeddedStack
) -> None:
    async with api_over(database) as client:
        stack.postgres.stop()
        try:
            got = await answered(client, f"{PATH}/u7")
        finally:
            stack.postgres.start()
        again = await answered(client, f"{PATH}/u7")
    assert got["segment_name"] == night["customer_segments"][7]["segment_name"]
    assert got["recent_transactions"] is got["recent_anomalies"] is None
    assert got["unavailable"] == ["postgresql"]
    assert (again["recent_transactions"], again["unavailable"]) == ([], [])
