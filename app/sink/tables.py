"""The stored topics: their table, key and columns, and the statements that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.sink.rollups import SALES_SUMS
from app.topics import CART_EVENTS, PRODUCT_VIEWS, SYSTEM_METRICS, TRANSACTIONS

TEXT: Final = "TEXT"


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a row: its name, its type, and its name in the stored table where that differs."""

    name: str
    type: str = TEXT
    stored_as: str = ""

    @property
    def stored_name(self) -> str:
        """Name in the stored table."""
        return self.stored_as or self.name

    @property
    def stored_value(self) -> str:
        """SQL expression for the stored value; cents become an exact NUMERIC."""
        return f"s.{self.name} * 0.01" if self.stored_as else f"s.{self.name}"

    @property
    def ordered(self) -> str:
        """SQL expression to sort by: byte order, the same for staged rows and arrays."""
        return f's.{self.name} COLLATE "C"' if self.type == TEXT else f"s.{self.name}"


@dataclass(frozen=True, slots=True)
class StoredTopic:
    """A topic with its table of the same name; `columns` are the fields of its row, source_offset last.

    Rows arrive through a stage (COPY to a temporary table) or, when they are few, as arrays: a COPY and the
    truncation of its stage cost about a millisecond, arrays cost more per row.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    sums_sales: bool = False

    @property
    def stage(self) -> str:
        """Name of the temporary table large chunks are copied to."""
        return f"stage_{self.name}"

    @property
    def column_names(self) -> list[str]:
        """Names in the order of the rows."""
        return [column.name for column in self.columns]

    @property
    def create_stage(self) -> str:
        """DDL of the stage, which lasts as long as its connection and is empty after each commit."""
        columns = ", ".join(f"{c.name} {c.type}" for c in self.columns)
        return f"CREATE TEMPORARY TABLE {self.stage} ({columns}) ON COMMIT DELETE ROWS"

    def from_arrays(self, first_parameter: int) -> str:
        """SQL source for `insert` and `select_duplicates`: one array per column, from that parameter on."""
        numbered = enumerate(self.columns, start=first_parameter)
        arrays = ", ".join(f"${number}::{column.type}[]" for number, column in numbered)
        return f"unnest({arrays}) AS s ({', '.join(self.column_names)})"

    @property
    def insert_parameters(self) -> int:
        """Number of parameters before the arrays: the partition and, for sales, the pane length."""
        return 2 if self.sums_sales else 1

    def insert(self, source: str) -> str:
        """SQL that inserts the source into the table and returns the number of accepted rows.

        The order makes the lowest offset win within a chunk and prevents a deadlock over equal ids in two partitions.
        """
        names = ", ".join(c.stored_name for c in self.columns)
        values = ", ".join(c.stored_value for c in self.columns)
        order = ", ".join(c.ordered for c in self.columns if c.name in self.key)
        returning = "timestamp, total_amount, category, country" if self.sums_sales else "1"
        sums = f", {SALES_SUMS}" if self.sums_sales else ""
        return f"""
WITH accepted AS (
    INSERT INTO {self.name} ({names}, source_partition)
    SELECT {values}, $1::INTEGER FROM {source}
    ORDER BY {order}, s.source_offset
    ON CONFLICT ({", ".join(self.key)}) DO NOTHING
    RETURNING {returning}
){sums}
SELECT count(*) FROM accepted"""

    def select_duplicates(self, source: str) -> str:
        """SQL for the offsets whose key was stored before, and whether their content differs ($1 = partition)."""
        joined = " AND ".join(f"t.{name} = s.{name}" for name in self.key)
        content = [c for c in self.columns if c.name not in (*self.key, "source_offset")]
        ours = ", ".join(c.stored_value for c in content)
        theirs = ", ".join(f"t.{c.stored_name}" for c in content)
        return f"""
SELECT s.source_offset, ROW({ours}) IS DISTINCT FROM ROW({theirs}) AS conflicting
FROM {source} JOIN {self.name} t ON {joined}
WHERE t.source_partition <> $1::INTEGER OR t.source_offset <> s.source_offset"""


def _columns(*columns: Column | str) -> tuple[Column, ...]:
    texts = [Column(column) if isinstance(column, str) else column for column in columns]
    return (*texts, Column("source_offset", "BIGINT"))


_TIMESTAMP: Final = Column("timestamp", "TIMESTAMPTZ")
_QUANTITY: Final = Column("quantity", "INTEGER")

STORED_TRANSACTIONS: Final = StoredTopic(
    TRANSACTIONS,
    ("transaction_id",),
    _columns(
        "transaction_id",
        "user_id",
        _TIMESTAMP,
        Column("amount_cents", "BIGINT", stored_as="total_amount"),
        "category",
        "country",
        "payment_method",
        _QUANTITY,
        "product_id",
        "session_id",
    ),
    sums_sales=True,
)
STORED_PRODUCT_VIEWS: Final = StoredTopic(
    PRODUCT_VIEWS,
    ("event_id",),
    _columns("event_id", "user_id", "session_id", _TIMESTAMP, "product_id", "category", "country"),
)
STORED_CART_EVENTS: Final = StoredTopic(
    CART_EVENTS,
    ("event_id",),
    _columns("event_id", "user_id", "session_id", _TIMESTAMP, "product_id", "action", _QUANTITY, "category", "country"),
)
STORED_SYSTEM_METRICS: Final = StoredTopic(
    SYSTEM_METRICS,
    ("host", "component", "metric", "timestamp"),
    _columns("host", "component", "metric", _TIMESTAMP, Column("value", "DOUBLE PRECISION")),
)

STORED_TOPICS: Final[Sequence[StoredTopic]] = (
    STORED_TRANSACTIONS,
    STORED_PRODUCT_VIEWS,
    STORED_CART_EVENTS,
    STORED_SYSTEM_METRICS,
)
