"""`sales_trends`: revenue per day, ISO week and month."""

from datetime import datetime
from typing import Any, Final

from api.cursors import Place
from api.dates import Period
from api.mongo_reader import Find
from api.run_reader import PublishedRun
from app.published_run import Document

MART: Final = "sales_trends"

FIELDS: Final = (
    "period_type",
    "period",
    "period_start",
    "country",
    "revenue",
    "transactions",
    "revenue_growth_rate",
    "partial",
    "analysis_date",
)


async def page(
    run: PublishedRun, period_type: str, country: str | None, period: Period, after: Place | None, limit: int
) -> list[Document]:
    """Returns up to `limit` periods that start within `period`, oldest first, after a place."""
    start: dict[str, Any] = {"$gte": period.start, "$lt": period.end}
    if after is not None:
        start["$gt"] = after.time
    where = {"period_type": period_type, "country": country, "period_start": start}
    return await run.find(MART, Find(where, FIELDS, (("period_start", 1),), limit))


def place_of(document: Document) -> Place:
    """Returns the end of a page whose last row is this period."""
    start: datetime = document["period_start"]
    return Place(start, 0)
