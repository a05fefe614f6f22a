"""The view `sales_metrics`: a filter on `window_start` reaches an index in both of its branches."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.databases import Database

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
PANES = """
INSERT INTO sales_panes
    (pane_start, source_partition, category, country, transaction_count, total_amount)
SELECT $1::TIMESTAMPTZ + pane * interval '30 seconds', pane % 6, 'c' || category, 'UK', 1, 0.01
FROM generate_series(0, 9999) AS pane, generate_series(1, 5) AS category"""


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


@pytest.mark.parametrize("condition", ["window_start >= $1 AND window_start < $2", "window_start BETWEEN $1 AND $2"])
async def test_time_filters_use_indexes(database: Database, condition: str) -> None:
    at = FIRST + timedelta(hours=50)
    async with database.owner() as owner:
        await owner.execute(PANES, FIRST)
        await owner.execute("ANALYZE sales_panes")
    async with database.reader() as reader:
        query = f"SELECT * FROM sales_metrics WHERE {condition}"
        explained = await reader.fetchval(f"EXPLAIN (FORMAT JSON) {query}", at, at + timedelta(minutes=5))
        rows = await reader.fetch(query, at, at + timedelta(minutes=5) - timedelta(microseconds=1))
    nodes = list(_nodes(json.loads(explained)[0]["Plan"]))
    assert [node["Node Type"] for node in nodes if "Seq Scan" in node["Node Type"]] == []
    used = {node["Index Name"] for node in nodes if "Index Name" in node}
    assert used == {"sales_panes_key", "idx_sales_panes_window_1"}
    assert len(rows) == 10 * 5
    assert {row["transaction_count"] for row in rows} == {2}
