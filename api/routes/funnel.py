"""The funnel from a visit to an order."""

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from api.dependencies import UsesServices
from api.marts import sessions
from api.parameters import Country, PeriodQuery
from api.problems import documented
from api.responses import Amount, cacheable_response, example, ratio
from api.run_reader import PublishedRun

router = APIRouter(prefix="/funnel", tags=["funnel"], responses=documented(404))

_EXAMPLE: Final = """
{"sessions": 41207, "with_view": 40912, "with_cart_add": 12077, "with_checkout": 4801, "converted": 4733,
"abandoned": 7344, "revenue": 3262990.15, "view_rate": 0.9928, "cart_rate": 0.2931, "checkout_rate": 0.1165,
"conversion_rate": 0.1149, "abandonment_rate": 0.6081, "period": {"start": "2025-12-01", "end": null},
"as_of": "2025-12-06"}"""


class FunnelQuery(PeriodQuery):
    """Parameters of /funnel; a session belongs to the moment it starts."""

    country: Country = None


class AskedPeriod(BaseModel):
    """As it was asked for, null where a side was open."""

    start: str | None
    end: str | None


class Funnel(BaseModel):
    """Sessions by how far they came, and their revenue.

    Rates have four places and are null over nothing. They are shares of all sessions, but `abandonment_rate`: sessions
    that added something and bought nothing, of those that added something.
    """

    model_config = example(_EXAMPLE)
    sessions: int
    with_view: int
    with_cart_add: int
    with_checkout: int
    converted: int
    abandoned: int
    revenue: Amount
    view_rate: Amount | None
    cart_rate: Amount | None
    checkout_rate: Amount | None
    conversion_rate: Amount | None
    abandonment_rate: Amount | None
    period: AskedPeriod
    as_of: date


@router.get("", response_model=Funnel)
async def funnel(request: Request, services: UsesServices, query: Annotated[FunnelQuery, Query()]) -> Response:
    """Sessions from visit to order, of a period, of one country or of all."""
    period = query.period

    async def compute(run: PublishedRun) -> dict[str, Any]:
        figures = await sessions.funnel(run, period, query.country)
        return {
            **figures._asdict(),
            **_rates(figures),
            "period": {"start": period.start_text, "end": period.end_text},
            "as_of": run.mart(sessions.MART).as_of,
        }

    question = ("funnel", period, query.country)
    return cacheable_response(request, await services.warehouse.ask(question, compute))


def _rates(figures: sessions.Figures) -> dict[str, Any]:
    return {
        "view_rate": ratio(figures.with_view, figures.sessions, 4),
        "cart_rate": ratio(figures.with_cart_add, figures.sessions, 4),
        "checkout_rate": ratio(figures.with_checkout, figures.sessions, 4),
        "conversion_rate": ratio(figures.converted, figures.sessions, 4),
        "abandonment_rate": ratio(figures.abandoned, figures.with_cart_add, 4),
    }
