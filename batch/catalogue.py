"""The marts of the warehouse: keys, money, indexes, expected sums, and the jobs that compute them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pyspark.sql.types import StructType

from batch.marts import (
    customer_segments,
    fact_sales,
    fact_sessions,
    product_performance,
    sales_trends,
    segment_migrations,
)

Index = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Mart:
    """A mart. `key` is the `_id`: a single column is the `_id` itself, several are a subdocument.

    `required` columns are never null. `fact_time` marks a fact, published by the UTC days of that column that
    changed. Within each of `slices` (SQL conditions) `money` and `orders` sum up to all transactions', or to those
    with a product if `products_only`.
    """

    name: str
    schema: StructType
    key: tuple[str, ...]
    required: tuple[str, ...]
    money: str
    orders: str | None
    indexes: tuple[Index, ...]
    slices: tuple[str, ...] = ("true",)
    fact_time: str | None = None
    products_only: bool = False
    bounded: bool = True


FACT_SALES: Final = Mart(
    "fact_sales",
    fact_sales.SCHEMA,
    key=("date_time", "country", "category"),
    required=("date_time", "country", "category"),
    money="total_amount",
    orders="transaction_count",
    indexes=((("date_time", 1),), (("country", 1), ("date_time", 1))),
    fact_time="date_time",
)
FACT_SESSIONS: Final = Mart(
    "fact_sessions",
    fact_sessions.SCHEMA,
    key=("session_id",),
    required=("session_id", "user_id", "country", "started_at", "ended_at"),
    money="revenue",
    orders="transactions",
    indexes=((("started_at", 1),), (("user_id", 1), ("started_at", 1))),
    fact_time="started_at",
)
CUSTOMER_SEGMENTS: Final = Mart(
    "customer_segments",
    customer_segments.SCHEMA,
    key=("user_id",),
    required=("user_id", "country", "r_score", "f_score", "m_score", "segment_name"),
    money="monetary",
    orders="frequency",
    indexes=((("segment_name", 1), ("country", 1)), (("country", 1),)),
)
SEGMENT_MIGRATIONS: Final = Mart(
    "segment_migrations",
    segment_migrations.SCHEMA,
    key=("from", "to"),
    required=("from", "to"),
    money="revenue",
    orders=None,
    indexes=(),
    bounded=False,
)
SALES_TRENDS: Final = Mart(
    "sales_trends",
    sales_trends.SCHEMA,
    key=("period_type", "period", "country"),
    required=("period_type", "period", "period_start"),
    money="revenue",
    orders="transactions",
    indexes=((("period_type", 1), ("country", 1), ("period_start", 1)),),
    slices=tuple(
        f"period_type = '{kind}' AND country IS {null}"
        for kind in ("daily", "weekly", "monthly")
        for null in ("NULL", "NOT NULL")
    ),
)
PRODUCT_PERFORMANCE: Final = Mart(
    "product_performance",
    product_performance.SCHEMA,
    key=("product_id", "country"),
    required=("product_id", "category"),
    money="revenue",
    orders="transaction_count",
    indexes=(
        (("country", 1), ("revenue", -1), ("product_id", 1)),
        (("category", 1), ("country", 1), ("revenue", -1), ("product_id", 1)),
    ),
    slices=("country IS NULL", "country IS NOT NULL"),
    products_only=True,
)
MARTS: Final = (FACT_SALES, FACT_SESSIONS, CUSTOMER_SEGMENTS, SEGMENT_MIGRATIONS, SALES_TRENDS, PRODUCT_PERFORMANCE)
#: The marts that each command computes and publishes together.
JOBS: Final[Mapping[str, tuple[Mart, ...]]] = {
    "nightly": MARTS,
    "etl": (FACT_SALES, FACT_SESSIONS),
    "rfm": (CUSTOMER_SEGMENTS, SEGMENT_MIGRATIONS),
    "trends": (SALES_TRENDS,),
    "products": (PRODUCT_PERFORMANCE,),
}
