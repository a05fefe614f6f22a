"""Revenue of a period by day, hour, category or country: from rollups without overlap, the rest from rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from api.dates import DAY, HOUR, MINUTE, WEEK, Period, TimeRange, time_ranges
from api.postgres_reader import Database
from api.queries.sales import Totals
from api.responses import SUM_TYPE

#: Exact totals by day, hour or name; those without a name are under `unknown`.
Lines = Mapping[Any, Totals]
_Tables = Mapping[timedelta | None, tuple[str, str]]


class Group(StrEnum):
    """The grouping of the lines."""

    DAY = "day"
    HOUR = "hour"
    CATEGORY = "category"
    COUNTRY = "country"


#: Table and time column by unit, without the category.
_REVENUE: Final[_Tables] = {
    DAY: ("revenue_daily", "day"),
    HOUR: ("revenue_hourly", "hour"),
    MINUTE: ("revenue_minutely", "minute"),
    None: ("transactions", "timestamp"),
}
#: With the category; a whole minute is whole panes, where they divide it.
_SALES: Final[_Tables] = {
    WEEK: ("sales_weekly", "week"),
    DAY: ("sales_daily", "day"),
    HOUR: ("sales_hourly", "hour"),
    MINUTE: ("sales_panes", "pane_start"),
    None: ("transactions", "timestamp"),
}
_UNITS: Final[Mapping[Group, Sequence[timedelta]]] = {
    Group.DAY: (DAY, HOUR, MINUTE),
    Group.HOUR: (HOUR, MINUTE),
    Group.CATEGORY: (WEEK, DAY, HOUR, MINUTE),
    Group.COUNTRY: (DAY, HOUR, MINUTE),
}
_KEYS: Final[Mapping[Group, str]] = {
    Group.DAY: "date_trunc('day', {time}, 'UTC')",
    Group.HOUR: "date_trunc('hour', {time}, 'UTC')",
    Group.CATEGORY: "category",
    Group.COUNTRY: "country",
}
_BY_TIME: Final = frozenset({Group.DAY, Group.HOUR})
_PANE_SECONDS: Final = "SELECT step_seconds FROM stream_windows"


async def breakdown(database: Database, group: Group, periods: Iterable[Period], country: str | None) -> Lines:
    """Returns sums over periods that do not overlap."""
    units = _UNITS[group]
    if group is Group.CATEGORY and not await _panes_divide_a_minute(database):
        units = units[:-1]
    pieces = [piece for each in periods for piece in time_ranges(each.start, each.end, units)]
    query, arguments = breakdown_query(group, pieces, country)
    rows = await database.fetch(query, *arguments)
    return {row["key"]: Totals(row["revenue"], row["transactions"]) for row in rows}


def merged(parts: Iterable[Lines]) -> Lines:
    """Lines of parts that do not overlap, added up."""
    lines: dict[Any, Totals] = {}
    for part in parts:
        for key, (revenue, transactions) in part.items():
            former = lines.get(key, Totals(Decimal(0), 0))
            lines[key] = Totals(former.revenue + revenue, former.transactions + transactions)
    return lines


def in_order(group: Group, lines: Lines) -> list[tuple[Any, Totals]]:
    """Times in their order, names by revenue."""
    if group in _BY_TIME:
        return sorted(lines.items())
    return sorted(lines.items(), key=lambda line: (-line[1].revenue, line[0]))


def past_days(period: Period, today: datetime) -> tuple[Period | None, list[Period]]:
    """Returns the whole days of a period before today, and the rest at both ends."""
    days = [piece for piece in time_ranges(period.start, min(period.end, today), (DAY,)) if piece.unit]
    if not days:
        return None, [period]
    start, end = days[0].start, days[0].end
    return Period(start, end), [Period(period.start, start), Period(end, period.end)]


def breakdown_query(group: Group, pieces: Iterable[TimeRange], country: str | None) -> tuple[str, list[Any]]:
    """Returns the statement and its arguments for pieces that do not overlap."""
    arguments: list[Any] = [country]
    kind = "TIMESTAMPTZ" if group in _BY_TIME else "TEXT"
    selects = [f"SELECT NULL::{kind}, 0.00, 0 WHERE $1::TEXT IS NULL AND false"]
    for piece in pieces:
        arguments += [piece.start, piece.end]
        selects.append(_piece(group, piece.unit, len(arguments), country))
    return (
        f"SELECT key, sum(amount)::{SUM_TYPE} AS revenue, sum(number)::BIGINT AS transactions "
        f"FROM ({' UNION ALL '.join(selects)}) AS piece (key, amount, number) "
        "GROUP BY key",
        arguments,
    )


def _piece(group: Group, unit: timedelta | None, last: int, country: str | None) -> str:
    """Returns the SELECT of one table; its start and end are the arguments `last` - 1 and `last`."""
    table, time = (_SALES if group is Group.CATEGORY else _REVENUE)[unit]
    key = _KEYS[group].format(time=time)
    count, of_country = "transaction_count", "country"
    if unit is None:  # rows, as they came
        count, of_country = "1", "name_or_unknown(country)"
        key = key if group in _BY_TIME else f"name_or_unknown({key})"
    only = "" if country is None else f" AND {of_country} = $1"
    return f"SELECT {key}, total_amount, {count} FROM {table} WHERE {time} >= ${last - 1} AND {time} < ${last}{only}"


async def _panes_divide_a_minute(database: Database) -> bool:
    (row,) = await database.fetch(_PANE_SECONDS)
    return bool(60 % row["step_seconds"] == 0)
