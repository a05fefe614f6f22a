"""Every mart once more in plain Python, from the definitions and not from the Spark code."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.batch.generated import Row, Shop

_NAMES = {
    "11": "Lost",
    "12": "Hibernating",
    "21": "Hibernating",
    "22": "Hibernating",
    "13": "At Risk",
    "14": "At Risk",
    "23": "At Risk",
    "24": "At Risk",
    "15": "Can't Lose Them",
    "25": "Can't Lose Them",
    "31": "About To Sleep",
    "32": "About To Sleep",
    "33": "Need Attention",
    "34": "Loyal Customers",
    "35": "Loyal Customers",
    "41": "Promising",
    "42": "Potential Loyalist",
    "43": "Potential Loyalist",
    "44": "Loyal Customers",
    "45": "Loyal Customers",
    "51": "New Customers",
    "52": "Potential Loyalist",
    "53": "Potential Loyalist",
    "54": "Champions",
    "55": "Champions",
}


def half_up(value: Fraction, places: int) -> Decimal:
    """Rounded exactly once, half away from zero."""
    scaled = abs(value) * 10**places
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(whole if value >= 0 else -whole).scaleb(-places)


def segment_of(r_score: int, f_score: int) -> str:
    """The contract's table of names, written out pair by pair."""
    return _NAMES[f"{r_score}{f_score}"]


def scores(values: Sequence[Any]) -> list[int]:
    """floor((k - 1) * 5 / N) + 1 by counting smaller values one by one."""
    return [sum(other < one for other in values) * 5 // len(values) + 1 for one in values]


def _group(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _money(rows: Iterable[Row]) -> Decimal:
    return sum((row["total_amount"] for row in rows), Decimal("0.00"))


def _label(value: str | None) -> str:
    """The name, `unknown` for none, blanks and the word itself."""
    return value if value is not None and _names(value) else "unknown"


def _names(value: str | None) -> bool:
    return value is not None and value.strip().lower() not in ("", "unknown")


def fact_sales(shop: Shop) -> list[Row]:
    def key(row: Row) -> tuple[datetime, str, str]:
        hour = row["timestamp"].replace(minute=0, second=0, microsecond=0)
        return hour, _label(row["country"]), _label(row["category"])

    return [
        {
            "date_time": hour,
            "country": country,
            "category": category,
            "total_amount": _money(rows),
            "transaction_count": len(rows),
            "avg_transaction_value": half_up(Fraction(_money(rows)) / len(rows), 2),
        }
        for (hour, country, category), rows in _group(shop.transactions, key).items()
    ]


def customer_segments(shop: Shop, previous: dict[str, str], as_of: date) -> list[Row]:
    customers = list(_group(shop.transactions, lambda row: row["user_id"]).items())
    last = [max(rows, key=lambda r: (r["timestamp"], r["transaction_id"])) for _, rows in customers]
    r = scores([row["timestamp"] for row in last])
    f = scores([len(rows) for _, rows in customers])
    m = scores([_money(rows) for _, rows in customers])
    return [
        {
            "user_id": user,
            "country": _label(last[i]["country"]),
            "recency": (as_of - last[i]["timestamp"].date()).days,
            "frequency": len(rows),
            "monetary": _money(rows),
            "r_score": r[i],
            "f_score": f[i],
            "m_score": m[i],
            "rfm_segment": f"{r[i]}{f[i]}{m[i]}",
            "segment_name": segment_of(r[i], f[i]),
            "previous_segment": previous.get(user),
            "last_purchase": last[i]["timestamp"],
            "analysis_date": datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC),
        }
        for i, (user, rows) in enumerate(customers)
    ]


def segment_migrations(segments: list[Row]) -> list[Row]:
    groups = _group(segments, lambda row: (row["previous_segment"] or "(none)", row["segment_name"]))
    return [
        {
            "from": former,
            "to": now,
            "customers": len(rows),
            "revenue": sum((row["monetary"] for row in rows), Decimal("0.00")),
            "analysis_date": rows[0]["analysis_date"],
        }
        for (former, now), rows in groups.items()
    ]


def _periods(day: date) -> Iterable[tuple[str, str, date, date]]:
    """Type, name, first day, first day of the next one."""
    yield "daily", day.isoformat(), day, day + timedelta(days=1)
    year, week, weekday = day.isocalendar()
    monday = day - timedelta(days=weekday - 1)
    yield "weekly", f"{year:04}-W{week:02}", monday, monday + timedelta(days=7)
    first = day.replace(day=1)
    yield "monthly", f"{day:%Y-%m}", first, (first + timedelta(days=31)).replace(day=1)


def sales_trends(shop: Shop, as_of: date) -> list[Row]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in shop.transactions:
        for period in _periods(row["timestamp"].date()):
            groups[(*period, _label(row["country"]))].append(row)
            groups[(*period, None)].append(row)
    revenue = {(k[0], k[3], k[4]): _money(rows) for k, rows in groups.items()}
    found = []
    for (kind, name, start, end, country), rows in groups.items():
        before, now = revenue.get((kind, start, country)), _money(rows)
        growth = half_up(Fraction(now - before) / Fraction(before), 4) if before else None
        found.append(
            {
                "period_type": kind,
                "period": name,
                "country": country,
                "revenue": now,
                "period_start": datetime(start.year, start.month, start.day, tzinfo=UTC),
                "transactions": len(rows),
                "revenue_growth_rate": growth,
                "partial": end > as_of + timedelta(days=1),
                "analysis_date": datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC),
            }
        )
    return found


def product_performance(shop: Shop) -> list[Row]:
    sold = [{**row, "kind": "order"} for row in shop.transactions if row["product_id"] is not None]
    views = [{**row, "kind": "view"} for row in shop.product_views]
    events = sold + views + [{**row, "kind": row["action"]} for row in shop.cart_events]
    seen: dict[str, tuple[datetime, str]] = {}
    for row in events:
        if _names(row["category"]):
            mark = (row["timestamp"], row["category"])
            seen[row["product_id"]] = max(seen.get(row["product_id"], mark), mark)
    groups = _group(events, lambda row: (row["product_id"], _label(row["country"])))
    groups |= _group(events, lambda row: (row["product_id"], None))
    return [
        _product(product, country, rows, seen[product][1] if product in seen else "unknown")
        for (product, country), rows in groups.items()
    ]


def _product(product: str, country: str | None, rows: list[Row], category: str) -> Row:
    orders = [row for row in rows if row["kind"] == "order"]
    views = sum(row["kind"] == "view" for row in rows)
    return {
        "product_id": product,
        "country": country,
        "category": category,
        "revenue": _money(orders),
        "units": sum(row["quantity"] for row in orders),
        "transaction_count": len(orders),
        "avg_transaction_value": half_up(Fraction(_money(orders)) / len(orders), 2) if orders else None,
        "views": views,
        "cart_adds": sum(row["kind"] == "add" for row in rows),
        "conversion": half_up(Fraction(len(orders), views), 4) if views else None,
    }


def fact_sessions(shop: Shop, gap: timedelta) -> list[Row]:
    orders = [{**row, "id": row["transaction_id"], "kind": "order"} for row in shop.transactions]
    views = [{**row, "id": row["event_id"], "kind": "view"} for row in shop.product_views]
    carts = [{**row, "id": row["event_id"], "kind": row["action"]} for row in shop.cart_events]
    given = [row for row in orders if row["session_id"] is not None]
    lone = [row for row in orders if row["session_id"] is None]
    sessions = _group([*given, *views, *carts], lambda row: row["session_id"])
    for user, own in _group(lone, lambda row: row["user_id"]).items():
        last = None
        for row in sorted(own, key=lambda row: (row["timestamp"], row["id"])):
            if last is None or row["timestamp"] - last > gap:
                name = f"{user}@{row['timestamp']:%Y-%m-%dT%H:%M:%S.%fZ}"
            sessions[name].append(row)
            last = row["timestamp"]
    return [_session(name, rows) for name, rows in sessions.items()]


def _session(name: str, rows: list[Row]) -> Row:
    rows = sorted(rows, key=lambda row: (row["timestamp"], row["id"]))
    orders = [row for row in rows if row["kind"] == "order"]
    count = {kind: sum(row["kind"] == kind for row in rows) for kind in ("view", "add", "remove")}
    start, end = rows[0]["timestamp"], rows[-1]["timestamp"]
    return {
        "session_id": name,
        "user_id": rows[0]["user_id"],
        "country": next((r["country"] for r in rows if _names(r["country"])), "unknown"),
        "started_at": start,
        "ended_at": end,
        "duration_seconds": (end - start) // timedelta(seconds=1),
        "views": count["view"],
        "cart_adds": count["add"],
        "cart_removes": count["remove"],
        "checkouts": sum(row["kind"] == "checkout" for row in rows),
        "transactions": len(orders),
        "units": sum(row["quantity"] for row in orders),
        "revenue": _money(orders),
        "converted": bool(orders),
        "abandoned": count["add"] > 0 and not orders,
    }
