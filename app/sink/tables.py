"""The tables of the source topics: the statements that follow from a topic's declaration."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

from app.domain.money import CENT, CENTS
from app.events.topics.declaration import Field, SourceTopic
from app.sink.rollups import SALES_SUMS
from app.topics import SOURCES, TRANSACTIONS

TEXT: Final = "TEXT"
_OFFSET: Final = "source_offset"


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a row: its name, its type, and its name in the stored table."""

    name: str
    type: str
    stored_name: str

    @classmethod
    def of(cls, field: Field) -> Self:
        """Returns the column of an event's field."""
        return cls(field.row_name, field.type, field.name)

    @property
    def stored_value(self) -> str:
        """SQL expression for the stored value; cents become an exact NUMERIC."""
        return f"s.{self.name}" if self.name == self.stored_name else f"s.{self.name} * {CENT}"

    @property
    def row_value(self) -> str:
        """SQL expression for the row's value, read from the stored table."""
        return self.name if self.name == self.stored_name else f"({self.stored_name} * {CENTS})::BIGINT AS {self.name}"

    @property
    def ordered(self) -> str:
        """SQL expression to sort by: byte order, the same for staged rows and arrays."""
        return f's.{self.name} COLLATE "C"' if self.type == TEXT else f"s.{self.name}"


@dataclass(frozen=True)
class StoredTopic:
    """A topic's table, which has its name.

    Rows arrive through a stage (COPY to a temporary table) or, when they are few, as arrays: a COPY and the
    truncation of its stage cost about a millisecond, arrays cost more per row.
    """

    topic: SourceTopic[Any]

    @property
    def name(self) -> str:
        """Name of the topic and of the table."""
        return self.topic.name

    @property
    def key(self) -> tuple[str, ...]:
        """Primary key."""
        return self.topic.identity

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The fields of a row, source_offset last."""
        return (*map(Column.of, self.topic.fields), Column(_OFFSET, "BIGINT", _OFFSET))

    @property
    def sums_sales(self) -> bool:
        """Whether an insert updates the rollups of sales."""
        return self.name == TRANSACTIONS

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

    def row_values(self, names: Collection[str]) -> str:
        """SQL expressions for some values of a row, read from the table."""
        return ", ".join(column.row_value for column in self.columns if column.name in names)

    @property
    def staged(self) -> str:
        """SQL source for `insert` and `select_duplicates`: the stage, whose rows are of partition $1."""
        return f"(SELECT *, $1::INTEGER AS source_partition FROM {self.stage}) AS s"

    def from_partitions(self, first_parameter: int) -> str:
        """SQL source for `insert` and `select_duplicates`: arrays from that parameter on, $1 the rows' partitions."""
        return _unnest([*self._arrays(first_parameter), "$1::INTEGER[]"], [*self.column_names, "source_partition"])

    def from_arrays(self, first_parameter: int) -> str:
        """SQL source of rows: one array per column, from that parameter on."""
        return _unnest(self._arrays(first_parameter), self.column_names)

    def _arrays(self, first_parameter: int) -> list[str]:
        return [f"${number}::{column.type}[]" for number, column in enumerate(self.columns, start=first_parameter)]

    @property
    def insert_parameters(self) -> int:
        """Number of parameters before the arrays: the partitions and, for sales, the pane length."""
        return 2 if self.sums_sales else 1

    def insert(self, source: str) -> str:
        """SQL that inserts the source into the table and returns the number of accepted rows.

        The order makes the lowest offset win within a chunk and prevents a deadlock over equal ids in two transactions.
        """
        names = ", ".join(c.stored_name for c in self.columns)
        values = ", ".join(c.stored_value for c in self.columns)
        order = ", ".join(c.ordered for c in self.columns if c.name in self.key)
        returning = "source_partition, timestamp, total_amount, category, country" if self.sums_sales else "1"
        sums = f", {SALES_SUMS}" if self.sums_sales else ""
        return f"""
WITH accepted AS (
    INSERT INTO {self.name} ({names}, source_partition)
    SELECT {values}, s.source_partition FROM {source}
    ORDER BY {order}, s.source_partition, s.source_offset
    ON CONFLICT ({", ".join(self.key)}) DO NOTHING
    RETURNING {returning}
){sums}
SELECT count(*) FROM accepted"""

    def select_duplicates(self, source: str) -> str:
        """SQL for the rows whose key was stored before, and whether their content differs."""
        joined = " AND ".join(f"t.{name} = s.{name}" for name in self.key)
        content = [c for c in self.columns if c.name not in (*self.key, _OFFSET)]
        ours = ", ".join(c.stored_value for c in content)
        theirs = ", ".join(f"t.{c.stored_name}" for c in content)
        return f"""
SELECT s.source_partition, s.source_offset, ROW({ours}) IS DISTINCT FROM ROW({theirs}) AS conflicting
FROM {source} JOIN {self.name} t ON {joined}
WHERE t.source_partition <> s.source_partition OR t.source_offset <> s.source_offset"""


def _unnest(arrays: Sequence[str], names: Sequence[str]) -> str:
    return f"unnest({', '.join(arrays)}) AS s ({', '.join(names)})"


#: The table of every source topic, by its name.
STORED_TOPICS: Final[Mapping[str, StoredTopic]] = {name: StoredTopic(topic) for name, topic in SOURCES.items()}
