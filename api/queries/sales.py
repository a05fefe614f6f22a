"""Totals over any period: whole days, hours and minutes from rollups, the rest from rows."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from api.dates import Period
from api.postgres import Database
from api.time_ranges import DAY, HOUR, MINUTE, TimeRange, time_ranges

_TABLES: Final[Mapping[timedelta | None, str]] = {
    DAY: "SELECT total_amount, transaction_count FROM revenue_daily WHERE day",
    HOUR: "SELECT total_amount, transaction_count FROM revenue_hourly WHERE hour",
    MINUTE: "SELECT total_amount, transaction_count FROM revenue_minutely WHERE minute",
    None: "SELECT total_amount, 1 FROM transactions WHERE timestamp",
}
#: Sums stand under the name already, rows as they came.
_COUNTRY: Final[Mapping[timedelta | None, str]] = {None: "name_or_unknown(country)"}
_EXTENT: Final = "SELECT min(day) AS first, max(day) AS last FROM revenue_daily"


class Totals(NamedTuple):
    """Exact sum and number of orders."""

    revenue: Decimal
    transactions: int


class Extent(NamedTuple):
    """UTC days of the first and the last order stored, None without any."""

    first: date | None
    last: date | None


async def totals(database: Database, period: Period, country: str | None) -> Totals:
    """Returns sum and number of the orders of a period, of one country or of all."""
    query, arguments = totals_query(time_ranges(period.start, period.end), country)
    (row,) = await database.fetch(query, *arguments)
    return Totals(row["revenue"], row["transactions"])


def totals_query(pieces: Iterable[TimeRange], country: str | None) -> tuple[str, list[Any]]:
    """Returns the statement and its arguments for pieces that do not overlap."""
    arguments: list[Any] = [country]
    selects = ["SELECT 0.00, 0 WHERE $1::TEXT IS NULL"]
    for unit, start, end in pieces:
        arguments += [start, end]
        column = _TABLES[unit].rsplit(" ", 1)[1]
        first, last = len(arguments) - 1, len(arguments)
        only = "" if country is None else f" AND {_COUNTRY.get(unit, 'country')} = $1"
        selects.append(f"{_TABLES[unit]} >= ${first} AND {column} < ${last}{only}")
    rows = " UNION ALL ".join(selects)
    return (
        "SELECT coalesce(sum(amount), 0)::NUMERIC(38, 2) AS revenue, "
        f"coalesce(sum(number), 0)::BIGINT AS transactions FROM ({rows}) AS piece (amount, number)",
        arguments,
    )


async def extent(database: Database) -> Extent:
    """Returns the first and the last stored day."""
    (row,) = await database.fetch(_EXTENT)
    days = (None if at is None else at.date() for at in row)
    return Extent(*days)
