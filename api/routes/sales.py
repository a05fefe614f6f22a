"""Sales figures."""

from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from api.dates import Period
from api.dependencies import UsesServices
from api.parameters import Country, PeriodQuery
from api.postgres import Database
from api.queries import sales
from api.responses import Amount, average, cacheable_response, example

router = APIRouter(prefix="/sales", tags=["sales"])

_EXAMPLE: Final = """
{"total_revenue": 17096943.98, "total_transactions": 24800, "avg_order_value": 689.39,
"period": {"start": "2025-12-01", "end": "2025-12-07"}}"""


class ShownPeriod(BaseModel):
    """The requested period; a missing side is the first or last stored UTC day, null without orders."""

    start: str | None
    end: str | None


class SalesMetrics(BaseModel):
    """Totals of a period; the average is null when there was no order."""

    model_config = example(_EXAMPLE)
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
