"""Live figures."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from api.dependencies import UsesServices
from api.parameters import Country, no_parameters
from api.parameters import Query as Parameters
from api.postgres_reader import Database
from api.queries import sales
from api.responses import Amount, example, uncached_response

router = APIRouter(prefix="/live", tags=["live"])

_EXAMPLE: Final = """
{"as_of": "2025-12-07T04:32:00Z", "window_seconds": 60, "last_event_at": "2025-12-07T04:31:59.874Z",
"total_revenue": 151.5, "total_transactions": 2, "categories": [{"category": "Books", "revenue": 151.5,
"transaction_count": 2}], "countries": [{"country": "USA", "revenue": 151.5, "transaction_count": 2}]}"""
_MINUTES_EXAMPLE: Final = """
{"as_of": "2025-12-07T04:32:07Z", "last_event_at": "2025-12-07T04:32:06.874Z", "minutes": [
{"start": "2025-12-07T04:31:00Z", "revenue": 151.5, "transaction_count": 2, "anomalies": 0, "partial": false},
{"start": "2025-12-07T04:32:00Z", "revenue": 9000.0, "transaction_count": 1, "anomalies": 1, "partial": true}]}"""


class CategoryRevenue(BaseModel):
    """`unknown` collects orders without a category."""

    category: str
    revenue: Amount
    transaction_count: int


class CountryRevenue(BaseModel):
    """`unknown` collects orders without a country."""

    country: str
    revenue: Amount
    transaction_count: int


class LiveRevenue(BaseModel):
    """Sums over the events in (as_of - 60 s, as_of], and the time of the newest event stored."""

    model_config = example(_EXAMPLE)
    as_of: datetime
    window_seconds: int
    last_event_at: datetime | None
    total_revenue: Amount
    total_transactions: int
    categories: list[CategoryRevenue]
    countries: list[CountryRevenue]


class MinuteRevenue(BaseModel):
    """Orders of one minute, and how many anomalies they raised; `partial` while the minute is not over."""

    start: datetime
    revenue: Amount
    transaction_count: int
    anomalies: int
    partial: bool


class LiveMinutes(BaseModel):
    """The last 60 whole minutes and the running one, oldest first; the time of the newest event of any country."""

    model_config = example(_MINUTES_EXAMPLE)
    as_of: datetime
    last_event_at: datetime | None
    minutes: list[MinuteRevenue]


class MinutesQuery(Parameters):
    """Parameters of /live/minutes."""

    country: Country = None


@router.get("/revenue", response_model=LiveRevenue, dependencies=[Depends(no_parameters)])
async def revenue(services: UsesServices) -> Response:
    """Revenue of the last 60 seconds per category and per country, in steps of a second."""
    now = services.now().replace(microsecond=0)
    payload = await services.live.get(now, lambda: _figures(services.database, now))
    return uncached_response(payload)


@router.get("/minutes", response_model=LiveMinutes)
async def minutes(services: UsesServices, query: Annotated[MinutesQuery, Query()]) -> Response:
    """Revenue, orders and anomalies of each of the last 60 minutes and of the running one, by the time of the order."""
    now, country = services.now().replace(microsecond=0), query.country
    payload = await services.minutes.get((now, country), lambda: _by_minute(services.database, now, country))
    return uncached_response(payload)


async def _figures(database: Database, now: datetime) -> dict[str, object]:
    rows = await sales.live_revenue(database, now)
    (over_all,) = (row for row in rows if row["summed"] == sales.OVER_ALL)
    return {
        "as_of": now,
        "window_seconds": int(sales.WINDOW.total_seconds()),
        "last_event_at": await sales.last_event_at(database),
        "total_revenue": over_all["revenue"],
        "total_transactions": over_all["transaction_count"],
        "categories": _lines(rows, sales.BY_CATEGORY, "category"),
        "countries": _lines(rows, sales.BY_COUNTRY, "country"),
    }


def _lines(rows: list[Any], summed: int, column: str) -> list[dict[str, object]]:
    return [
        {name: row[name] for name in (column, "revenue", "transaction_count")}
        for row in rows
        if row["summed"] == summed
    ]


async def _by_minute(database: Database, now: datetime, country: str | None) -> dict[str, object]:
    rows = await sales.live_minutes(database, now, country)
    return {
        "as_of": now,
        "last_event_at": await sales.last_event_at(database),
        "minutes": [{**row, "partial": row is rows[-1]} for row in rows],
    }
