"""Every mart of the warehouse, and which of them a job builds and publishes together."""

from collections.abc import Mapping
from typing import Final

from batch.mart import Mart
from batch.marts.customer_segments import CUSTOMER_SEGMENTS
from batch.marts.fact_sales import FACT_SALES
from batch.marts.fact_sessions import FACT_SESSIONS
from batch.marts.product_performance import PRODUCT_PERFORMANCE
from batch.marts.sales_trends import SALES_TRENDS
from batch.marts.segment_migrations import SEGMENT_MIGRATIONS

MARTS: Final = (FACT_SALES, FACT_SESSIONS, CUSTOMER_SEGMENTS, SEGMENT_MIGRATIONS, SALES_TRENDS, PRODUCT_PERFORMANCE)
#: The marts that each command computes and publishes together.
JOBS: Final[Mapping[str, tuple[Mart, ...]]] = {
    "nightly": MARTS,
    "etl": (FACT_SALES, FACT_SESSIONS),
    "rfm": (CUSTOMER_SEGMENTS, SEGMENT_MIGRATIONS),
    "trends": (SALES_TRENDS,),
    "products": (PRODUCT_PERFORMANCE,),
}
