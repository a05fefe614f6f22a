"""Cases of the fraud desk: the queue, and everything about one."""

from collections.abc import Iterable
from typing import Any, Final, Literal

import asyncpg
import orjson

from api.postgres_reader import Database
from app.domain.money import cents_of
from app.domain.timestamps import EPOCH, MICROSECOND
from app.fraud.cases import STATUSES

Sort = Literal["severity", "newest"]
RECENT_ORDERS: Final = 20
#: As in the index idx_cases_queue.
_RANK: Final = "array_position(ARRAY['low', 'medium', 'high', 'critical'], severity::TEXT)"
_COLUMNS: Final = """
case_id, transaction_id, user_id, status, c.severity, c.amount, c.event_time, opened_at, assignee, closed_at, version,
risk_score, action, reasons::TEXT AS reasons"""
_FROM: Final = "cases c LEFT JOIN verdicts v USING (transaction_id)"
#: Each order's columns, and how the end of a page is compared.
_ORDERS: Final[dict[Sort, str]] = {
    "severity": "rank DESC, amount DESC, case_id DESC",
    "newest": "event_time DESC, case_id DESC",
}
_AFTER: Final[dict[Sort, str]] = {
    "severity": "({rank}, amount, case_id) < (${0}::INTEGER, ${1}::BIGINT / 100.0, ${2}::BIGINT)",
    "newest": "(event_time, case_id) < (${0}::TIMESTAMPTZ, ${1}::BIGINT)",
}
_ONE: Final = f"SELECT {_COLUMNS} FROM {_FROM} WHERE case_id = $1"
_EVENTS: Final = "SELECT at, author, action, note FROM case_events WHERE case_id = $1 ORDER BY event_id"
_LABEL: Final = "SELECT label, source, event_time, arrived_at, author FROM order_labels WHERE transaction_id = $1"
_ORDERS_OF_USER: Final = f"""
SELECT {{columns}}, action, (
    SELECT label FROM fraud_labels l WHERE l.transaction_id = t.transaction_id ORDER BY event_time DESC, label_id DESC
    LIMIT 1) AS label
FROM (SELECT * FROM transactions WHERE user_id = $1 ORDER BY timestamp DESC LIMIT {RECENT_ORDERS}) AS t
LEFT JOIN verdicts v USING (transaction_id) ORDER BY timestamp DESC"""


def page_query(
    status: str | None, severity: str | None, assignee: str | None, sort: Sort, after: list[Any] | None, limit: int
) -> tuple[str, list[Any]]:
    """Returns the statement of a page and its arguments; the page is cut before anything is joined to it.

    The indexes begin with the status, so cases of all statuses are the first of each, put in order.
    """
    arguments: list[Any] = [limit]
    conditions = []
    for column, wanted in (("severity", severity), ("assignee", assignee)):
        if wanted is not None:
            arguments.append(wanted)
            conditions.append(f"{column} = ${len(arguments)}")
    if after is not None:
        first = len(arguments) + 1
        arguments += after
        conditions.append(_AFTER[sort].format(*range(first, first + len(after)), rank=_RANK))
    firsts = []
    for one in STATUSES if status is None else (status,):
        arguments.append(one)
        where = " AND ".join((f"status = ${len(arguments)}", *conditions))
        firsts.append(f"(SELECT *, {_RANK} AS rank FROM cases WHERE {where} ORDER BY {_ORDERS[sort]} LIMIT $1)")
    query = f"""
SELECT {_COLUMNS}, rank FROM (
    SELECT * FROM ({" UNION ALL ".join(firsts)}) AS firsts ORDER BY {_ORDERS[sort]} LIMIT $1
) AS c LEFT JOIN verdicts v USING (transaction_id) ORDER BY {_qualified(sort)}"""
    return query, arguments


def _qualified(sort: Sort) -> str:
    return ", ".join(f"c.{part}" for part in _ORDERS[sort].split(", "))


async def page(
    database: Database,
    status: str | None,
    severity: str | None,
    assignee: str | None,
    sort: Sort,
    after: list[Any] | None,
    limit: int,
) -> list[asyncpg.Record]:
    """Returns up to `limit` cases: the worst and dearest first, or those of the newest orders."""
    query, arguments = page_query(status, severity, assignee, sort, after, limit)
    return await database.fetch(query, *arguments)


def place_of(row: asyncpg.Record, sort: Sort) -> list[int]:
    """The end of a page whose last row is this one, as whole numbers."""
    if sort == "newest":
        return [(row["event_time"] - EPOCH) // MICROSECOND, row["case_id"]]
    return [row["rank"], cents_of(row["amount"]), row["case_id"]]


def arguments_of(place: list[int], sort: Sort) -> list[Any]:
    """The arguments of a page that follows a place."""
    return [EPOCH + place[0] * MICROSECOND, place[1]] if sort == "newest" else list(place)


def shown(row: asyncpg.Record) -> dict[str, Any]:
    """A case as it stands in the queue, with the rules that raised it."""
    reasons = orjson.loads(row["reasons"] or "[]")
    known = {name: value for name, value in row.items() if name not in ("reasons", "rank")}
    return known | {"rules": [reason["rule_id"] for reason in reasons]}


async def case(database: Database, case_id: int, columns: Iterable[str]) -> dict[str, Any] | None:
    """Returns a case with its reasons, its history, the order's label and these columns of the user's newest orders."""
    rows = await database.fetch(_ONE, case_id)
    if not rows:
        return None
    row = rows[0]
    labels = await database.fetch(_LABEL, row["transaction_id"])
    user_id = row["user_id"]
    query = _ORDERS_OF_USER.format(columns=", ".join(columns))
    orders = [] if user_id is None else await database.fetch(query, user_id)
    return shown(row) | {
        "reasons": orjson.loads(row["reasons"] or "[]"),
        "label": dict(labels[0]) if labels else None,
        "history": [dict(event) for event in await database.fetch(_EVENTS, case_id)],
        "recent_orders": [dict(order) for order in orders],
    }
