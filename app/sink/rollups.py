"""The rollups of sales: tables of sums, and the SQL by which an insert of transactions updates them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rollup:
    """A table with sums per `bucket` of time, source partition and `names`.

    `expression` is the bucket of a row of `source`, which is one of the two sums that every rollup is made from:
    `slices` per partition, pane, minute, category and country, `minutes` per partition, minute and country.
    """

    table: str
    bucket: str
    expression: str
    source: str
    names: tuple[str, ...]

    @property
    def upsert(self) -> str:
        """Common table expression that adds the source to the table."""
        names = ", ".join(self.names)
        places = ", ".join(str(3 + place) for place in range(len(self.names)))
        return f"""{self.table}_sums AS (
    INSERT INTO {self.table} AS t
        ({self.bucket}, source_partition, {names}, total_amount, transaction_count)
    SELECT {self.expression}, source_partition, {names}, sum(total_amount), sum(transaction_count)
    FROM {self.source} GROUP BY 1, 2, {places}
    ON CONFLICT ON CONSTRAINT {self.table}_key DO UPDATE SET
        total_amount = t.total_amount + excluded.total_amount,
        transaction_count = t.transaction_count + excluded.transaction_count
)"""


_HOUR: Final = "date_bin('1 hour', minute, to_timestamp(0))"
_DAY: Final = "date_bin('1 day', minute, to_timestamp(0))"
_WEEK: Final = "date_trunc('week', minute, 'UTC')"
_FULL: Final = ("category", "country")
_NO_CATEGORY: Final = ("country",)

ROLLUPS: Final = (
    Rollup("sales_panes", "pane_start", "pane_start", "slices", _FULL),
    Rollup("sales_hourly", "hour", _HOUR, "slices", _FULL),
    Rollup("sales_daily", "day", _DAY, "slices", _FULL),
    Rollup("sales_weekly", "week", _WEEK, "slices", _FULL),
    Rollup("revenue_minutely", "minute", "minute", "minutes", _NO_CATEGORY),
    Rollup("revenue_hourly", "hour", _HOUR, "minutes", _NO_CATEGORY),
    Rollup("revenue_daily", "day", _DAY, "minutes", _NO_CATEGORY),
)

_SLICES: Final = """slices AS (
    SELECT
        source_partition,
        date_bin($2::INTERVAL, timestamp, to_timestamp(0)) AS pane_start,
        date_bin('1 minute', timestamp, to_timestamp(0)) AS minute,
        name_or_unknown(category) AS category, name_or_unknown(country) AS country,
        sum(total_amount) AS total_amount, count(*) AS transaction_count
    FROM accepted GROUP BY 1, 2, 3, 4, 5
), minutes AS (
    SELECT
        source_partition, minute, country,
        sum(total_amount) AS total_amount, sum(transaction_count) AS transaction_count
    FROM slices GROUP BY 1, 2, 3
)"""

#: Comes after a common table expression `accepted` with the new rows ($2 = pane length).
SALES_SUMS: Final = ", ".join((_SLICES, *(rollup.upsert for rollup in ROLLUPS)))
