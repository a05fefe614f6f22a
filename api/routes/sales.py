"""Sales figures of a period: totals, and broken down by day, hour, category or country."""

from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from api.dates import Period
from api.dependencies import Services, UsesServices
from api.parameters import Country, PeriodQuery
from api.postgres_reader import Database
from api.problems import invalid
from api.queries import sales
from api.queries.breakdown import Group, Lines, breakdown, in_order, merged, past_days
from api.responses import Amount, average, cacheable_response, example

router = APIRouter(prefix="/sales", tags=["sales"])
_METRICS: Final = """
{"total_revenue": 17096943.98, "total_transactions": 24800, "avg_order_value": 689.39,
"period": {"start": "2025-12-01", "end": "2025-12-07"}}"""
_LONGEST_BY_HOUR: Final = timedelta(days=31)
_BREAKDOWN: Final = """
{"group_by": "country", "groups": [{"key": "USA", "revenue": 9120331.07, "transaction_count": 13977,
"avg_order_value": 652.52}], "period": {"start": "2025-12-01", "end": "2025-12-07"}}"""


class ShownPeriod(BaseModel):
    """The requested period; a missing side is the first or last stored UTC day, null without orders."""

    start: str | None
    end: str | None


class SalesMetrics(BaseModel):
    """Totals of a period; the average is null when there was no order."""

    model_config = example(_METRICS)
    total_revenue: Amount
    total_transactions: int
    avg_order_value: Amount | None
    period: ShownPeriod


class SalesQuery(PeriodQuery):
    """Parameters of /sales/metrics."""

    country: Country = None


@router.get("/metrics", response_model=SalesMetrics)
async def metrics(request: Request, services: UsesServices, query: Annotated[SalesQuery, Query()]) -> Response:
    """Revenue, orders and their average, exact to the cent over any period."""
    period = query.period
    totals = await sales.totals(services.database, period, query.country)
    payload = {
        "total_revenue": totals.revenue,
        "total_transactions": totals.transactions,
        "avg_order_value": average(totals.revenue, totals.transactions),
        "period": await shown_period(services.database, period),
    }
    return cacheable_response(request, payload)


async def shown_period(database: Database, period: Period) -> dict[str, str | date | None]:
    """Returns the requested period, with its open sides filled in."""
    if period.start_text is not None and period.end_text is not None:
        return {"start": period.start_text, "end": period.end_text}
    stored = await sales.extent(database)
    return {"start": period.start_text or stored.first, "end": period.end_text or stored.last}


class BreakdownQuery(PeriodQuery):
    """Parameters of /sales/breakdown."""

    group_by: Group = Field(Group.DAY, description="The grouping of the lines; hours for at most 31 days.")
    country: Country = None


class SalesGroup(BaseModel):
    """Orders of one day (`2025-12-01`), hour (its start), category or country; `unknown` collects the unnamed."""

    key: str
    revenue: Amount
    transaction_count: int
    avg_order_value: Amount


class Breakdown(BaseModel):
    """Days and hours in their order, names by revenue; what sold nothing has no line."""

    model_config = example(_BREAKDOWN)
    group_by: Group
    groups: list[SalesGroup]
    period: ShownPeriod


@router.get("/breakdown", response_model=Breakdown)
async def by_group(request: Request, services: UsesServices, query: Annotated[BreakdownQuery, Query()]) -> Response:
    """Revenue, orders and their average per day, hour, category or country, exact over any period.

    Late orders of days before today show within a minute.
    """
    period = query.period
    if query.group_by is Group.HOUR:
        period = await _stored_part(services.database, period)
        if period.end - period.start > _LONGEST_BY_HOUR:
            raise invalid("group_by", "hours of 31 days at most; give start_date and end_date")
    lines = await _lines(services, query.group_by, period, query.country)
    payload = {
        "group_by": query.group_by,
        "groups": [_line(query.group_by, *line) for line in in_order(query.group_by, lines)],
        "period": await shown_period(services.database, query.period),
    }
    return cacheable_response(request, payload)


async def _stored_part(database: Database, period: Period) -> Period:
    """Returns the part of a period within the stored days."""
    stored = await sales.extent(database)
    if stored.first is None or stored.last is None:
        return Period(period.start, period.start)
    whole = Period.parse(stored.first.isoformat(), stored.last.isoformat())
    return Period(max(period.start, whole.start), min(period.end, whole.end))


async def _lines(services: Services, group: Group, period: Period, country: str | None) -> Lines:
    """Returns the lines; whole days before today are many rows that only a late order changes, so they are cached."""
    today = services.now().replace(hour=0, minute=0, second=0, microsecond=0)
    past, ends = past_days(period, today)
    parts = [await breakdown(services.database, group, ends, country)]
    if past is not None:
        question = (group, past, country)
        parts.append(await services.past.get(question, lambda: breakdown(services.database, group, [past], country)))
    return merged(parts)


def _line(group: Group, key: Any, totals: sales.Totals) -> dict[str, Any]:
    return {
        "key": key.date() if group is Group.DAY else key,
        "revenue": totals.revenue,
        "transaction_count": totals.transactions,
        "avg_order_value": average(totals.revenue, totals.transactions),
    }
