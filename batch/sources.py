"""The tables of PostgreSQL that the batch reads, column by column: the lake's schema and Spark's."""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from pyspark.sql import types as t

_TEXT: Final = (pa.string(), t.StringType())
_TIME: Final = (pa.timestamp("us", "UTC"), t.TimestampType())
_MONEY: Final = (pa.decimal128(12, 2), t.DecimalType(12, 2))
_WHOLE: Final = (pa.int32(), t.IntegerType())

_COLUMN_TYPES: Final = {"timestamp": _TIME, "total_amount": _MONEY, "quantity": _WHOLE}

#: Rows and a checksum per UTC day. For transactions they come from a rollup, which is written in the same transaction
#: as the rows; their checksum is the revenue in cents. The other tables are scanned: they keep only some days.
_ROLLUP_CHECKSUMS: Final = """
    SELECT (day AT TIME ZONE 'UTC')::date::text AS day, sum(transaction_count)::bigint AS rows,
           (sum(total_amount) * 100)::numeric(38, 0)::text AS checksum
    FROM sales_daily WHERE day < {end} GROUP BY 1"""
_SCANNED_CHECKSUMS: Final = """
    SELECT (timestamp AT TIME ZONE 'UTC')::date::text AS day, count(*) AS rows,
           sum(source_offset)::text AS checksum
    FROM {table} WHERE timestamp < {end} GROUP BY 1"""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table, its key, its columns in the lake's order and the SQL of its day checksums."""

    name: str
    key: str
    columns: tuple[str, ...]
    checksums_sql: str
    checksum: str

    @property
    def arrow_schema(self) -> pa.Schema:
        """Schema of the lake's Parquet files."""
        return pa.schema([(name, _types_of(name)[0]) for name in self.columns])

    @property
    def spark_schema(self) -> t.StructType:
        """Spark's schema of the same files."""
        return t.StructType([t.StructField(name, _types_of(name)[1]) for name in self.columns])


def _types_of(column: str) -> tuple[pa.DataType, t.DataType]:
    if column == "source_offset":
        return pa.int64(), t.LongType()
    return _COLUMN_TYPES.get(column, _TEXT)


_EVENT: Final = ("event_id", "user_id", "session_id", "timestamp", "product_id")
_PLACE: Final = ("category", "country", "source_offset")

TRANSACTIONS: Final = SourceTable(
    "transactions",
    "transaction_id",
    (
        "transaction_id",
        "user_id",
        "timestamp",
        "total_amount",
        "category",
        "country",
        "payment_method",
        "quantity",
        "product_id",
        "session_id",
        "source_offset",
    ),
    _ROLLUP_CHECKSUMS,
    "total_amount",
)
PRODUCT_VIEWS: Final = SourceTable("product_views", "event_id", (*_EVENT, *_PLACE), _SCANNED_CHECKSUMS, "source_offset")
CART_EVENTS: Final = SourceTable(
    "cart_events", "event_id", (*_EVENT, "action", "quantity", *_PLACE), _SCANNED_CHECKSUMS, "source_offset"
)
SOURCES: Final = (TRANSACTIONS, PRODUCT_VIEWS, CART_EVENTS)
