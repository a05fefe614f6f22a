"""Computes what each rollup should contain from the rows, and corrects it.

Rows and sums of a chunk commit together, so any difference within one snapshot is damage, even while workers run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

import asyncpg

from app.domain.timestamps import EPOCH
from app.sink.rollups import ROLLUPS, Rollup

_MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
#: The finer bucket from which sums can be taken instead of the rows.
_FINER: Final = {"day": "hour", "week": "day"}


class Difference(NamedTuple):
    """A sum that differs from that of its rows; None if there is no row."""

    table: str
    start: datetime
    partition: int
    category: str | None
    country: str | None
    expected_orders: int | None
    expected_amount: Decimal | None
    found_orders: int | None
    found_amount: Decimal | None

    @property
    def plain(self) -> dict[str, Any]:
        """Plain data; amounts as decimal text."""
        return {
            name: value.isoformat()
            if isinstance(value, datetime)
            else str(value)
            if isinstance(value, Decimal)
            else value
            for name, value in self._asdict().items()
        }


@dataclass(frozen=True, slots=True)
class SumTable:
    """A table of sums per time slot of `width`; sums of days and weeks can be taken from the `finer` table."""

    table: str
    start: str
    width: timedelta
    by_category: bool
    finer: str = ""
    finer_start: str = ""

    async def differences(
        self,
        connection: asyncpg.Connection,
        start: datetime,
        end: datetime,
        partition: int | None = None,
        *,
        from_finer: bool = False,
    ) -> list[Difference]:
        """Returns the slots that begin in [start, end) and differ from the rows, or from the finer table."""
        sql = self._differences_sql(self._finer_sums if from_finer else self._row_sums)
        low, high = self._first_slot(start), self._first_slot(end)
        rows = await connection.fetch(sql, low, high, partition, self.width)
        return [Difference(self.table, *row) for row in rows]

    async def correct(self, connection: asyncpg.Connection, differences: Sequence[Difference]) -> None:
        """Writes the expected sums to the table; the caller has locked the partitions."""
        surplus = [d for d in differences if d.expected_orders is None]
        if surplus:
            await connection.execute(self._delete_sql, *_keys(surplus))
        wanted = [d for d in differences if d.expected_orders is not None]
        if wanted:
            sums = ([d.expected_orders for d in wanted], [d.expected_amount for d in wanted])
            keys = _keys(wanted) if self.by_category else _keys(wanted, "start partition country")
            await connection.execute(self._upsert_sql, *keys, *sums)

    def _first_slot(self, instant: datetime) -> datetime:
        """Returns the first start of a slot at or after the time."""
        return instant + (self._origin - instant) % self.width

    @property
    def _origin(self) -> datetime:
        """The start of a slot: weeks begin on Mondays, shorter slots are aligned to the epoch."""
        return _MONDAY if self.width == WEEK else EPOCH

    @property
    def _bin_from(self) -> str:
        return f"to_timestamp({self._origin.timestamp():.0f})"

    @property
    def _category(self) -> str:
        return "category" if self.by_category else "NULL::TEXT"

    @property
    def _row_sums(self) -> str:
        category = "name_or_unknown(category)" if self.by_category else self._category
        return f"""
SELECT date_bin($4::INTERVAL, timestamp, {self._bin_from}), source_partition, {category},
    name_or_unknown(country), count(*), sum(total_amount)
FROM transactions
WHERE timestamp >= $1 AND timestamp < $2 AND ($3::INTEGER IS NULL OR source_partition = $3)
GROUP BY 1, 2, 3, 4"""

    @property
    def _finer_sums(self) -> str:
        return f"""
SELECT date_bin($4::INTERVAL, {self.finer_start}, {self._bin_from}), source_partition, {self._category},
    country, sum(transaction_count)::BIGINT, sum(total_amount)
FROM {self.finer}
WHERE {self.finer_start} >= $1 AND {self.finer_start} < $2
    AND ($3::INTEGER IS NULL OR source_partition = $3)
GROUP BY 1, 2, 3, 4"""

    def _differences_sql(self, sums: str) -> str:
        return f"""
SELECT start, partition, category, country, sum(orders)::BIGINT, sum(amount),
    sum(found_orders)::BIGINT, sum(found_amount)
FROM (
    SELECT *, NULL::BIGINT AS found_orders, NULL::NUMERIC AS found_amount
    FROM ({sums}) AS expected (start, partition, category, country, orders, amount)
    UNION ALL
    SELECT {self.start}, source_partition, {self._category}, country, NULL, NULL,
        transaction_count, total_amount
    FROM {self.table}
    WHERE {self.start} >= $1 AND {self.start} < $2
        AND ($3::INTEGER IS NULL OR source_partition = $3)
) AS both_sides
GROUP BY 1, 2, 3, 4
HAVING sum(orders) IS DISTINCT FROM sum(found_orders)
    OR sum(amount) IS DISTINCT FROM sum(found_amount)
ORDER BY 1, 2, 3, 4"""

    @property
    def _delete_sql(self) -> str:
        same = "AND t.category IS NOT DISTINCT FROM s.category" if self.by_category else ""
        return f"""
DELETE FROM {self.table} t
USING unnest($1::TIMESTAMPTZ[], $2::INTEGER[], $3::TEXT[], $4::TEXT[])
    AS s (start, partition, category, country)
WHERE t.{self.start} = s.start AND t.source_partition = s.partition {same}
    AND t.country IS NOT DISTINCT FROM s.country"""

    @property
    def _upsert_sql(self) -> str:
        keys = [self.start, "source_partition", *(["category"] if self.by_category else []), "country"]
        types = ["TIMESTAMPTZ", "INTEGER", *(["TEXT"] if self.by_category else []), "TEXT"]
        types += ["BIGINT", "NUMERIC"]
        arrays = ", ".join(f"${number}::{name}[]" for number, name in enumerate(types, 1))
        return f"""
INSERT INTO {self.table} ({", ".join(keys)}, transaction_count, total_amount)
SELECT * FROM unnest({arrays})
ON CONFLICT ON CONSTRAINT {self.table}_key DO UPDATE SET
    transaction_count = excluded.transaction_count, total_amount = excluded.total_amount"""


def sum_tables(pane: timedelta) -> tuple[SumTable, ...]:
    """Returns every rollup of the sink, in its order."""
    widths = {"pane_start": pane, "minute": timedelta(minutes=1), "hour": HOUR, "day": DAY, "week": WEEK}
    return tuple(
        SumTable(rollup.table, rollup.bucket, widths[rollup.bucket], "category" in rollup.names, *_finer(rollup))
        for rollup in ROLLUPS
    )


def _finer(rollup: Rollup) -> tuple[str, str]:
    """Returns the table and bucket of the next finer sums with the same names, for days and weeks."""
    if rollup.bucket not in _FINER:
        return "", ""
    return next(
        (finer.table, finer.bucket)
        for finer in ROLLUPS
        if finer.bucket == _FINER[rollup.bucket] and finer.names == rollup.names
    )


def _keys(differences: Sequence[Difference], names: str = "start partition category country") -> list[list[Any]]:
    return [[getattr(d, name) for d in differences] for name in names.split()]
