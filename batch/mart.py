"""The declaration of a mart: how it is built, its keys, indexes, and what its sums must equal."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from batch.frames import Events

Index = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Mart:
    """`build` returns the rows, cached: they are checked, counted and written.

    `key` makes the `_id`; one column of it is the `_id` itself, several are a subdocument. `required` columns are
    never null. `fact_time` marks a fact, published by the UTC days of that column that changed. Within each of
    `slices` (SQL conditions) `money` and `orders` sum up to all transactions', or to those with a product if
    `products_only`.
    """

    name: str
    schema: StructType
    build: Callable[["MartInputs"], DataFrame]
    key: tuple[str, ...]
    required: tuple[str, ...]
    money: str
    orders: str | None
    indexes: tuple[Index, ...]
    slices: tuple[str, ...] = ("true",)
    fact_time: str | None = None
    products_only: bool = False
    bounded: bool = True


@dataclass(frozen=True)
class MartInputs:
    """What marts are built from: the events of one snapshot, the previous run's segments, and other marts.

    Days before `complete_before` are complete.
    """

    events: Events
    previous_segments: DataFrame
    as_of: date
    complete_before: date
    session_gap: timedelta
    _built: dict[str, DataFrame] = field(default_factory=dict)

    def rows(self, mart: Mart) -> DataFrame:
        """The rows of a mart, built once however many marts read them."""
        if mart.name not in self._built:
            self._built[mart.name] = mart.build(self)
        return self._built[mart.name]
