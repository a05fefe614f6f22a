"""A click stream that comes with its own sessions: what fact_sessions makes of it must be theirs."""

import csv
import gzip
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from batch.sources import TRANSACTIONS
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
            "event_id": f"e{row['number']}", "user_id": row["user_id"],
            "session_id": row["session_id"], "timestamp": row["time"],
            "product_id": row["event"], "category": None, "country": row["platform"],
            "source_offset": row["number"],
        }  # fmt: skip
        if row["event"] in _CARTS:
            shop.cart_events.append({**event, "action": _CARTS[row["event"]], "quantity": 1})
        else:
            shop.product_views.append(event)
    return shop


def _order(row: Row, session_id: str | None) -> Row:
    return {
        "transaction_id": f"e{row['number']:05}", "user_id": row["user_id"],
        "timestamp": row["time"], "total_amount": _PRICE, "category": None,
        "country": row["platform"], "payment_method": None, "quantity": 1,
        "product_id": row["event"], "session_id": session_id, "source_offset": row["number"],
    }  # fmt: skip


def _by_session(events: list[Row]) -> dict[str, list[Row]]:
    sessions = defaultdict(list)
    for row in events:
        sessions[row["session_id"]].append(row)
    return sessions


def _wide(nights: Nights) -> Nights:
    return replace(
        nights, variables={**nights.variables, "GLOBALMART_BATCH_EXTRACT_ROWS": "1000000"}
    )


async def test_sessions_and_funnel_are_those_of_the_labels(nights: Nights) -> None:
    nights, events = _wide(nights), _events()
    await nights.insert_shop(_labelled(events))
    nights.run(_LAST_DAY, "etl")
    found = {row["session_id"]: row for row in nights.documents("fact_sessions")}
    sessions = _by_session(events)
    assert (len(events), len(sessions)) == (31_106, 3_605)
    assert found.keys() == sessions.keys()
    for name, own in sessions.items():
        kinds = Counter(row["event"] for row in own)
        times = [row["time"] for row in own]
        assert found[name] == {
            "session_id": name, "user_id": own[0]["user_id"], "country": own[0]["platform"],
            "started_at": min(times), "ended_at": max(times),
            "duration_seconds": (max(times) - min(times)).total_seconds(),
            "views": len(own) - kinds["purchase"] - sum(kinds[kind] for kind in _CARTS),
            "cart_adds": kinds["add_to_cart"], "cart_removes": 0,
            "checkouts": kinds["payment_details"], "transactions": kinds["purchase"],
            "units": kinds["purchase"], "revenue": kinds["purchase"] * _PRICE,
            "converted": kinds["purchase"] > 0,
            "abandoned": kinds["add_to_cart"] > 0 and not kinds["purchase"],
        }  # fmt: skip
    funnel = [sum(row[step] > 0 for row in found.values()) for step in ("cart_adds", "checkouts")]
    assert [*funnel, sum(row["converted"] for row in found.values())] == [1_213, 632, 470]


async def test_thirty_minutes_of_inactivity_find_the_sessions_again(nights: Nights) -> None:
    """Only orders can lack a session id, so here every event is one; sessions pause 28 min at most."""
    nights, events = _wide(nights), _events()
    await nights.insert(TRANSACTIONS, [_order(row, None) for row in events])
    nights.run(_LAST_DAY, "etl")
    found = [
        (row["user_id"], row["started_at"], row["ended_at"], row["transactions"])
        for row in nights.documents("fact_sessions")
    ]
    wanted = [
        (own[0]["user_id"], min(r["time"] for r in own), max(r["time"] for r in own), len(own))
        for own in _by_session(events).values()
    ]
    assert sorted(found) == sorted(wanted)
