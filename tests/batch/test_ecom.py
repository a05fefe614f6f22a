"""A click stream that comes with its own sessions: what fact_sessions makes of it must be theirs."""

import csv
import gzip
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from tests.batch.cdnow import file_of
from tests.batch.generated import Row, Shop
from tests.batch.nights import Nights

_LAST_DAY = date(2024, 6, 29)
_CARTS = {"add_to_cart": "add", "payment_details": "checkout"}
_PRICE = Decimal("0.01")


def _events() -> list[Row]:
    """31,106 events of 3,605 sessions; rows that repeat another exactly are events of their own."""
    path = file_of("retentioneering", "retentioneering/datasets/ecom.csv.gz")
    with gzip.open(path, "rt", newline="") as file:
        rows: list[Row] = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row["number"] = number
        row["time"] = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC)
    return rows


def _labelled(events: list[Row]) -> Shop:
    """Purchases are orders, two kinds are changes of a cart, every other page is a view."""
    shop = Shop([], [], [])
    for row in events:
        if row["event"] == "purchase":
            shop.transactions.append(_order(row, row["session_id"]))
            continue
        event = {
            "event_id": f"e{row['number']}",
            "user_id": row["user_id"],
            "session_id": row["session_id"],
            "timestamp": row["time"],
            "product_id": row["event"],
            "category": None,
            "country": row["platform"],
            "source_offset": row["number"],
        }
        if row["event"] in _CARTS:
            shop.cart_events.append({**event, "action": _CARTS[row["event"]], "quantity": 1})
        else:
            shop.product_views.append(event)
    return shop


def _order(row: Row, session_id: str | None) -> Row:
    return {
        "transaction_id": f"e{row['number']:05}",
        "user_id": row["user_id"],
        "timestamp": row["time"],
        "total_amount": _PRICE,
        "category": None,
        "country": row["platform"],
        "payment_method": None,
        "quantity": 1,
        "product_id": row["event"],
        "session_id": session_id,
        "source_offset": row["number"],
    }


def _by_session(events: list[Row]) -> dict[str, list[Row]]:
    sessions = defaultdict(list)
    for row in events:
        sessions[row["session_id"]].append(row)
    return sessions


async def test_sessions_and_funnel_are_those_of_the_labels(nights: Nights) -> None:
    """Twice over: with the given session ids, and as orders without, of other users.

    Only orders can be without a session id. Within a session no pause exceeds 28 minutes, between two it is hours,
    so 30 minutes of inactivity must find the given sessions again.
    """
    events = _events()
    shop = _labelled(events)
    shop.transactions.extend(_without_label(row) for row in events)
    wide = {**nights.variables, "GLOBALMART_BATCH_EXTRACT_ROWS": "1000000"}
    await nights.insert_shop(shop)
    replace(nights, variables=wide).run(_LAST_DAY, "etl")

    sessions = _by_session(events)
    assert (len(events), len(sessions)) == (31_106, 3_605)
    documents = nights.documents("fact_sessions")
    found = {row["session_id"]: row for row in documents if "@" not in row["session_id"]}
    assert found == {name: _wanted(name, own) for name, own in sessions.items()}
    funnel = [sum(row[step] > 0 for row in found.values()) for step in ("cart_adds", "checkouts")]
    assert [*funnel, sum(row["converted"] for row in found.values())] == [1_213, 632, 470]

    derived = [_extent(row) for row in documents if "@" in row["session_id"]]
    assert sorted(derived) == sorted(
        (f"again-{row['user_id']}", row["started_at"], row["ended_at"], len(sessions[name]))
        for name, row in found.items()
    )


def _without_label(row: Row) -> Row:
    order = _order(row, None)
    return {**order, "transaction_id": f"again-{order['transaction_id']}", "user_id": f"again-{order['user_id']}"}


def _wanted(name: str, own: list[Row]) -> Row:
    kinds = Counter(row["event"] for row in own)
    start, end = min(row["time"] for row in own), max(row["time"] for row in own)
    return {
        "session_id": name,
        "user_id": own[0]["user_id"],
        "country": own[0]["platform"],
        "started_at": start,
        "ended_at": end,
        "duration_seconds": (end - start).total_seconds(),
        "views": len(own) - kinds["purchase"] - sum(kinds[kind] for kind in _CARTS),
        "cart_adds": kinds["add_to_cart"],
        "cart_removes": 0,
        "checkouts": kinds["payment_details"],
        "transactions": kinds["purchase"],
        "units": kinds["purchase"],
        "revenue": kinds["purchase"] * _PRICE,
        "converted": kinds["purchase"] > 0,
        "abandoned": kinds["add_to_cart"] > 0 and not kinds["purchase"],
    }


def _extent(row: Row) -> tuple[object, ...]:
    return row["user_id"], row["started_at"], row["ended_at"], row["transactions"]
