"""Revenue over time, by day, ISO week or month."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from api import cursors
from api.dependencies import UsesServices
from api.marts import trends
from api.parameters import Country, PageQuery
from api.problems import documented
from api.responses import Amount, cacheable_response, example
from api.run_reader import PublishedRun
from app.published_run import Document

router = APIRouter(prefix="/trends", tags=["trends"], responses=documented(404))

_EXAMPLE: Final = """
{"trends": [{"period_type": "weekly", "period": "2025-W49", "period_start": "2025-12-01T00:00:00Z", "country": null,
"revenue": 4120331.07, "transactions": 5977, "revenue_growth_rate": -0.0312, "partial": true,
"analysis_date": "2025-12-06T00:00:00Z"}], "next_cursor": null, "as_of": "2025-12-06"}"""


class PeriodType(StrEnum):
    """Length of a period."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class TrendQuery(PageQuery):
    """Parameters of /trends; the dates choose periods by their first moment."""

    period_type: PeriodType = Field(PeriodType.DAILY, description="Length of a period.")
    country: Country = None


class Trend(BaseModel):
    """One period; `country` null is every country, `partial` if the period ends after `as_of`.

    `revenue_growth_rate` compares with the preceding period, null if that had no revenue.
    """

    period_type: PeriodType
    period: str
    period_start: datetime
    country: str | None
    revenue: Amount
    transactions: int
    revenue_growth_rate: Amount | None
    partial: bool
    analysis_date: datetime


class TrendPage(BaseModel):
    """Oldest first; a period without an order has no line. `next_cursor` is null on the last page."""

    model_config = example(_EXAMPLE)
    trends: list[Trend]
    next_cursor: str | None
    as_of: date


@router.get("", response_model=TrendPage)
async def page(request: Request, services: UsesServices, query: Annotated[TrendQuery, Query()]) -> Response:
    """Revenue per period, of one country or of all, page by page."""
    limit, after = query.page_limit(services.settings), query.place()

    async def compute(run: PublishedRun) -> dict[str, Any]:
        found = await trends.page(run, query.period_type, query.country, query.period, after, limit + 1)
        more = len(found) > limit
        cursor = _cursor_behind(found[limit - 1], query) if more else None
        return {"trends": found[:limit], "next_cursor": cursor, "as_of": run.mart(trends.MART).as_of}

    question = ("trends", *query.question(), query.cursor, limit)
    return cacheable_response(request, await services.warehouse.ask(question, compute))


def _cursor_behind(document: Document, query: TrendQuery) -> str:
    return cursors.encode(trends.place_of(document), query.question())
