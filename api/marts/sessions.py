"""`fact_sessions`: the funnel from a visit to an order; sessions count at the time they start."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from api.dates import DAY, Period, time_ranges
from api.run_reader import PublishedRun
from app.published_run import Document

MART: Final = "fact_sessions"


def _some(column: str) -> dict[str, Any]:
    """Returns the number of sessions with a positive value."""
    return {"$sum": {"$cond": [{"$gt": [f"${column}", 0]}, 1, 0]}}


def _are(column: str) -> dict[str, Any]:
    return {"$sum": {"$cond": [f"${column}", 1, 0]}}


_FIGURES: Final = {
    "sessions": {"$sum": 1},
    "with_view": _some("views"),
    "with_cart_add": _some("cart_adds"),
    "with_checkout": _some("checkouts"),
    "converted": _are("converted"),
    "abandoned": _are("abandoned"),
    "revenue": {"$sum": "$revenue"},
}
_BY_DAY: Final = {"day": {"$dateTrunc": {"date": "$started_at", "unit": "day"}}, "country": "$country"}


class Figures(NamedTuple):
    """Number of sessions by step of the funnel, and their exact revenue."""

    sessions: int = 0
    with_view: int = 0
    with_cart_add: int = 0
    with_checkout: int = 0
    converted: int = 0
    abandoned: int = 0
    revenue: Decimal = Decimal(0)


class Day(NamedTuple):
    """Sessions of one country that start on one UTC day."""

    start: datetime
    country: str
    figures: Figures


async def days(run: PublishedRun) -> list[Day]:
    """Returns figures per UTC day and country."""
    visible = {"$match": run.mart(MART).of_this_version}
    return await run.sums(MART, [visible, {"$group": {"_id": _BY_DAY, **_FIGURES}}], _days_of)


async def funnel(run: PublishedRun, period: Period, country: str | None) -> Figures:
    """Counts sessions that start in a period, exact to the millisecond: whole days from the cache, the ends read."""
    parts = []
    for unit, start, end in time_ranges(period.start, period.end, (DAY,)):
        if unit is None:
            parts += await _read(run, start, end, country)
        else:
            parts += _within(await days(run), start, end, country)
    return _added(parts)


def _within(among: Iterable[Day], start: datetime, end: datetime, country: str | None) -> Iterator[Figures]:
    for day in among:
        if start <= day.start < end and country in (None, day.country):
            yield day.figures


async def _read(run: PublishedRun, start: datetime, end: datetime, country: str | None) -> list[Figures]:
    match = {**run.mart(MART).of_this_version, "started_at": {"$gte": start, "$lt": end}}
    if country is not None:
        match["country"] = country
    found = await run.aggregate(MART, [{"$match": match}, {"$group": {"_id": None, **_FIGURES}}])
    return [_figures_of(each) for each in found]


def _added(parts: Iterable[Figures]) -> Figures:
    columns = zip(Figures(), *parts, strict=True)
    return Figures(*(sum(column[1:], column[0]) for column in columns))


def _days_of(documents: list[Document]) -> list[Day]:
    return [Day(each["_id"]["day"], each["_id"]["country"], _figures_of(each)) for each in documents]


def _figures_of(document: Document) -> Figures:
    return Figures(*(document[name] for name in Figures._fields))
