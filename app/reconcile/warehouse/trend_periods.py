"""Trends from daily sums: days, ISO weeks and months with their growth, without the batch's code."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final

_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_UP)


def trend(kind: str, days: Mapping[date, tuple[Decimal, int]], as_of: date) -> list[dict[str, Any]]:
    """Returns the rows of a kind of period, oldest first, from revenue and orders by day; growth has four places."""
    sums: dict[date, tuple[Decimal, int]] = {}
    for day, (revenue, orders) in sorted(days.items()):
        start = _start(kind, day)
        before = sums.get(start, (Decimal(0), 0))
        sums[start] = (before[0] + revenue, before[1] + orders)
    return [
        {
            "period": _name(kind, start),
            "revenue": revenue,
            "transactions": orders,
            "revenue_growth_rate": _growth(sums.get(_start(kind, start - timedelta(1))), revenue),
            "partial": _start(kind, as_of + timedelta(1)) == start,
        }
        for start, (revenue, orders) in sums.items()
    ]


def quotient(dividend: Decimal | int, divisor: Decimal | int, places: int) -> Decimal | None:
    """Returns the quotient rounded half up; None if the divisor is zero."""
    if not divisor:
        return None
    exact = _EXACT.divide(Decimal(dividend), Decimal(divisor))
    return exact.quantize(Decimal(1).scaleb(-places), context=_EXACT)


def _growth(before: tuple[Decimal, int] | None, revenue: Decimal) -> Decimal | None:
    return None if before is None else quotient(revenue - before[0], before[0], 4)


def _start(kind: str, day: date) -> date:
    """First day of the period that contains a day."""
    if kind == "weekly":
        return day - timedelta(day.weekday())
    return day.replace(day=1) if kind == "monthly" else day


def _name(kind: str, start: date) -> str:
    if kind == "weekly":
        year, week, _ = start.isocalendar()
        return f"{year:04d}-W{week:02d}"
    return f"{start:%Y-%m}" if kind == "monthly" else str(start)
