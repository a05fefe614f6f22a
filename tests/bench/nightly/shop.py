"""A shop's history at the generator's proportions, made by DuckDB straight into a lake.

Of 1.28 sessions per order 68 % buy directly, 10 % from a cart, 10 % leave a cart, 12 % only browse, as the generator's
mix is at its default rates: 1.5 views and half a cart event per order. One order in 50 has no session. No session
crosses midnight, so a day's events are its sessions' events. Everything is a hash of the session's number:
the same size gives the same shop.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from batch.lake import Lake
from batch.manifest import DayChecksum, LakeDay
from batch.sources import LAKE_TABLES, LakeTable

SESSIONS_PER_ORDER: Final = 1 / 0.779

_SESSIONS: Final = """
    CREATE OR REPLACE TEMP TABLE sessions AS
    SELECT i, 's-bench00001-' || i AS session_id, 'user' || (1 + u) AS user_id,
           ['USA','UK','Canada','Germany','France'][1 + (hash(u, 1) % 5)::BIGINT] AS country,
           TIMESTAMPTZ '{day} 00:00:00+00' + to_microseconds((hash(i, 2) % 85200000000)::BIGINT) AS began, kind,
           (250000 * pow({r3}, 2))::BIGINT AS product
    FROM (
        SELECT i, ({customers} * pow({r4}, 1.5))::BIGINT % {customers} AS u,
               CASE WHEN {r5} < 0.68 THEN 'direct' WHEN {r5} < 0.78 THEN 'cart'
                    WHEN {r5} < 0.88 THEN 'leave' ELSE 'browse' END AS kind
        FROM range({first}, {end}) numbers(i))"""
_PLACE: Final = "'product' || product AS product_id, 'category' || hash(product) % 100 AS category, country"
_EVENT: Final = f"""
    SELECT 'e-bench00001-' || {{code}} || i || '-' || n AS event_id, user_id, session_id,
           began + to_seconds(9 * n + {{later}}) AS timestamp, {_PLACE}"""
_VIEWS: Final = f"""
    {_EVENT.format(code="'v'", later=0)}, i::BIGINT AS source_offset
    FROM sessions, range(3) steps(n)
    WHERE n < CASE WHEN kind = 'browse' THEN 2 + hash(i, 6) % 2 ELSE hash(i, 6) % 3 END"""
_CARTS: Final = f"""
    {_EVENT.format(code="'c'", later=40)}, what AS action, 1::INTEGER AS quantity, i::BIGINT AS source_offset
    FROM sessions, (VALUES (0, 'add'), (1, 'add'), (2, 'remove'), (3, 'checkout')) steps(n, what)
    WHERE kind IN ('cart', 'leave') AND CASE n WHEN 0 THEN true WHEN 1 THEN {{r7}} < 0.2
          WHEN 2 THEN {{r7}} < CASE kind WHEN 'cart' THEN 0.2 ELSE 0.3 END ELSE kind = 'cart' END"""
_ORDERS: Final = """
    SELECT 't-bench00001-' || i AS transaction_id, user_id, began + to_seconds(95) AS timestamp,
           least(exp(3.5 + 2 * {r8} + {r9}), 9999)::DECIMAL(12, 2) AS total_amount,
           'category' || hash(product) % 100 AS category, country, 'credit_card' AS payment_method,
           (1 + hash(i, 10) % 3)::INTEGER AS quantity, 'product' || product AS product_id,
           CASE WHEN hash(i, 11) % 50 > 0 THEN session_id END AS session_id, i::BIGINT AS source_offset
    FROM sessions WHERE kind IN ('direct', 'cart')"""
_SQL: Final = {
    LAKE_TABLES["transactions"]: _ORDERS,
    LAKE_TABLES["product_views"]: _VIEWS,
    LAKE_TABLES["cart_events"]: _CARTS,
}


@dataclass(frozen=True, slots=True)
class ShopSize:
    """How much happened; the last of the days is `last_day`."""

    orders: int
    customers: int
    days: int
    last_day: date

    def day_numbers(self) -> Iterator[tuple[date, int, int]]:
        """Each day with the numbers [first, end) of its sessions."""
        sessions = round(self.orders * SESSIONS_PER_ORDER)
        for number in range(self.days):
            day = self.last_day - timedelta(days=self.days - 1 - number)
            yield day, sessions * number // self.days, sessions * (number + 1) // self.days


def fill_lake(lake: Lake, size: ShopSize, threads: int) -> dict[str, int]:
    """Write the whole shop and its manifest; returns the rows per table."""
    manifest = lake.read_manifest()
    rows: dict[str, int] = {}
    with duckdb.connect(config={"threads": threads}) as engine:
        engine.execute("SET TimeZone = 'UTC'")
        for day, first, end in size.day_numbers():
            engine.execute(_SESSIONS.format(day=day, first=first, end=end, customers=size.customers, **_randoms()))
            for source, sql in _SQL.items():
                found = engine.sql(sql.format(**_randoms())).to_arrow_table()
                manifest = manifest.with_days(source.name, {day: _write(lake, source, day, found)})
                rows[source.name] = rows.get(source.name, 0) + len(found)
    lake.write_manifest(manifest)
    return rows


def _write(lake: Lake, source: LakeTable, day: date, rows: pa.Table) -> LakeDay:
    columns = [
        rows[field.name] if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in source.arrow_schema
    ]
    table = pa.table(columns, names=list(source.columns)).cast(source.arrow_schema)
    with lake.new_file(source, day) as file:
        file.write(table)
    total: Any = pc.sum(table[source.checksum]).as_py() or 0
    scale = 100 if source is LAKE_TABLES["transactions"] else 1
    return LakeDay(DayChecksum(len(table), int(total * scale)), file.name)


def _randoms() -> dict[str, str]:
    """SQL of numbers in [0, 1) that only depend on the session: {r3} to {r9}."""
    return {f"r{salt}": f"((hash(i, {salt}) % 1000003) / 1000003.0)" for salt in range(3, 10)}
