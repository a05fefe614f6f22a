"""The tables that the batch copies to the lake, as their topics declare them: the lake's schema and Spark's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import types as t

from app.domain.money import CENTS, DIGITS, PLACES
from app.domain.pseudonyms import Personal
from app.events.topics.declaration import SourceTopic
from app.topics import SOURCES, TRANSACTIONS

_TEXT: Final = (pa.string(), t.StringType())
#: Arrow's and Spark's type of a stored column; texts of any length have one.
_TYPES: Final = {
    "TIMESTAMPTZ": (pa.timestamp("us", "UTC"), t.TimestampType()),
    f"NUMERIC({DIGITS}, {PLACES})": (pa.decimal128(DIGITS, PLACES), t.DecimalType(DIGITS, PLACES)),
    "INTEGER": (pa.int32(), t.IntegerType()),
    "BIGINT": (pa.int64(), t.LongType()),
    "DOUBLE PRECISION": (pa.float64(), t.DoubleType()),
}

#: Rows and a checksum per UTC day. For transactions they come from a rollup, which is written in the same transaction
#: as the rows; their checksum is the revenue in cents. The other tables are scanned: they keep only some days.
_ROLLUP_CHECKSUMS: Final = f"""
    SELECT (day AT TIME ZONE 'UTC')::date::text AS day, sum(transaction_count)::bigint AS rows,
           (sum(total_amount) * {CENTS})::numeric(38, 0)::text AS checksum
    FROM sales_daily WHERE day < {{end}} GROUP BY 1"""
_SCANNED_CHECKSUMS: Final = """
    SELECT (timestamp AT TIME ZONE 'UTC')::date::text AS day, count(*) AS rows,
           sum(source_offset)::text AS checksum
    FROM {table} WHERE timestamp < {end} GROUP BY 1"""


@dataclass(frozen=True, slots=True)
class LakeTable:
    """An archived topic's table: its columns in the lake's order and the SQL of its day checksums."""

    topic: SourceTopic[Any]

    @property
    def name(self) -> str:
        """Name of the table and of its folder."""
        return self.topic.name

    @property
    def key(self) -> str:
        """Primary key."""
        return self.topic.identity[0]

    @property
    def personal(self) -> Mapping[str, Personal]:
        """Columns with personal data."""
        return self.topic.personal

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(name for name, _ in self._typed)

    @property
    def arrow_schema(self) -> pa.Schema:
        """Schema of the lake's Parquet files."""
        return pa.schema([(name, arrow) for name, (arrow, _) in self._typed])

    @property
    def spark_schema(self) -> t.StructType:
        """Spark's schema of the same files."""
        return t.StructType([t.StructField(name, spark) for name, (_, spark) in self._typed])

    @property
    def checksums_sql(self) -> str:
        """SQL of the rows and the checksum of each day before `{end}`."""
        return _ROLLUP_CHECKSUMS if self.name == TRANSACTIONS else _SCANNED_CHECKSUMS

    @property
    def checksum(self) -> str:
        """The column that is summed for the checksum."""
        return "total_amount" if self.name == TRANSACTIONS else "source_offset"

    @property
    def _typed(self) -> list[tuple[str, tuple[pa.DataType, t.DataType]]]:
        fields = [(field.name, _TYPES.get(field.stored_type, _TEXT)) for field in self.topic.fields]
        return [*fields, ("source_offset", _TYPES["BIGINT"])]


#: The tables of the lake, by name.
LAKE_TABLES: Final[Mapping[str, LakeTable]] = {
    name: LakeTable(topic) for name, topic in SOURCES.items() if topic.archived
}
