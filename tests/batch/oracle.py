"""Every mart once more by DuckDB, which shares neither code nor engine with Spark."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from batch.sources import LAKE_TABLES
from tests.batch.generated import Row, Shop

MARTS: Final = (
    "customer_segments",
    "fact_sales",
    "fact_sessions",
    "product_performance",
    "sales_trends",
    "segment_migrations",
)
_SQL: Final = Path(__file__).with_name("oracle.sql")
_PREVIOUS: Final = pa.schema([("user_id", pa.string()), ("segment_name", pa.string())])


def marts_of(
    shop: Shop,
    as_of: date,
    gap: timedelta,
    previous: Mapping[str, str] | None = None,
    complete_before: date | None = None,
) -> dict[str, list[Row]]:
    """All marts of a shop's events up to and with `as_of`; `previous` is each customer's former segment.

    Days before `complete_before` are over, by default all up to and with `as_of`.
    """
    complete_before = complete_before or as_of + timedelta(days=1)
    former = [{"user_id": u, "segment_name": name} for u, name in (previous or {}).items()]
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.register("previous", pa.Table.from_pylist(former, _PREVIOUS))
        for source in LAKE_TABLES.values():
            rows = [row for row in shop.rows(source) if row["timestamp"].date() <= as_of]
            table = pa.Table.from_pylist(rows, source.arrow_schema)
            connection.register(source.name, _without_zone(table))
        connection.execute("SET VARIABLE as_of = ?::DATE", [as_of])
        connection.execute("SET VARIABLE complete_before = ?::DATE", [complete_before])
        connection.execute("SET VARIABLE gap = ?::INTERVAL", [gap])
        connection.execute(_SQL.read_text())
        return {mart: _rows(connection, mart) for mart in MARTS}


def _without_zone(table: pa.Table) -> pa.Table:
    """The same with UTC times that do not say so: DuckDB would ask for its time zone's."""
    place = table.schema.get_field_index("timestamp")
    times = table["timestamp"].cast(pa.timestamp("us"))
    return table.set_column(place, "timestamp", times)


def _rows(connection: duckdb.DuckDBPyConnection, mart: str) -> list[Row]:
    found = connection.execute(f"SELECT * FROM {mart}")
    assert found.description is not None
    names = [column[0] for column in found.description]
    return [{name: _aware(value) for name, value in zip(names, row, strict=True)} for row in found.fetchall()]


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
