"""Documents of every mart, made up but in the batch's shape, and naive figures about them."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any, Final

import pytest

from compose.embedded.stack import EmbeddedStack
from tests.support.databases import Database
from tests.support.warehouses import warehouse_named

Row = dict[str, Any]

AS_OF: Final = date(2026, 2, 28)
MIDNIGHT: Final = datetime(2026, 2, 28, tzinfo=UTC)
_NIGHT: Final = "dw_night"
COUNTRIES: Final = ("UK", "USA", "unknown")
SEGMENTS: Final = {
    (1, 1): "Lost",
    (3, 3): "Need Attention",
    (5, 1): "New Customers",
    (5, 5): "Champions",
    (5, 4): "Champions",
}


def customers(seed: int = 1, number: int = 60) -> list[Row]:
    """`customer_segments`."""
    random = Random(seed)
    return [_customer(random, n) for n in range(number)]


def _customer(random: Random, n: int) -> Row:
    (recency, frequency), name = random.choice(list(SEGMENTS.items()))
    return {
        "user_id": f"u{n}",
        "country": random.choice(COUNTRIES),
        "recency": random.randrange(90),
        "frequency": random.randrange(1, 40),
        "monetary": _money(random),
        "r_score": recency,
        "f_score": frequency,
        "m_score": random.randrange(1, 6),
        "rfm_segment": f"{recency}{frequency}1",
        "segment_name": name,
        "previous_segment": random.choice([None, "Lost"]),
        "last_purchase": MIDNIGHT - timedelta(milliseconds=random.randrange(10**9)),
        "analysis_date": MIDNIGHT,
    }


def migrations() -> list[Row]:
    """`segment_migrations`."""
    pairs = [("Lost", "Lost"), ("(none)", "New Customers"), ("Can't Lose Them", "Champions")]
    return [
        {"from": a, "to": b, "customers": n + 1, "revenue": Decimal(f"{n}.10"), "analysis_date": MIDNIGHT}
        for n, (a, b) in enumerate(pairs)
    ]


def sessions(seed: int = 2, number: int = 300) -> list[Row]:
    """`fact_sessions` over twenty days, some of them on the edges of a day."""
    random = Random(seed)
    return [_session(random, n) for n in range(number)]


def _session(random: Random, n: int) -> Row:
    edge = timedelta(milliseconds=random.choice([0, -1, 1, random.randrange(86_400_000)]))
    start = MIDNIGHT - timedelta(days=random.randrange(20)) + edge
    adds, orders = random.randrange(3), random.choice([0, 0, 1])
    return {
        "session_id": f"s{n}",
        "user_id": f"u{n % 60}",
        "country": random.choice(COUNTRIES),
        "started_at": start,
        "ended_at": start,
        "duration_seconds": 0,
        "views": random.randrange(3),
        "cart_adds": adds,
        "cart_removes": 0,
        "checkouts": random.randrange(2),
        "transactions": orders,
        "units": orders,
        "revenue": _money(random) if orders else Decimal("0.00"),
        "converted": bool(orders),
        "abandoned": adds > 0 and not orders,
    }


def products(seed: int = 3, number: int = 120) -> list[Row]:
    """`product_performance`, with the lines for every country."""
    random, rows = Random(seed), []
    for n in range(number):
        common = {"product_id": f"p{n:03}", "category": f"c{n % 3}"}
        per_country = [{**common, "country": name, **_sold(random)} for name in COUNTRIES]
        names = ("revenue", "units", "transaction_count", "views", "cart_adds")
        sums = {name: sum(row[name] for row in per_country) for name in names}
        rows += [*per_country, {**common, "country": None, **sums}]
    for row in rows:
        row["avg_transaction_value"] = mean(row["revenue"], row["transaction_count"])
        row["conversion"] = mean(row["transaction_count"], row["views"], "0.0001")
    return rows


def _sold(random: Random) -> Row:
    orders = random.choice([0, 1, 7, 20])
    revenue = sum((_money(random) for _ in range(orders)), Decimal("0.00"))
    views = random.choice([0, 30, 500])
    return {
        "revenue": revenue,
        "units": orders * 2,
        "transaction_count": orders,
        "views": views,
        "cart_adds": views // 10,
    }


def trends(seed: int = 4, days: int = 40) -> list[Row]:
    """`sales_trends`: days, and one week and one month."""
    random = Random(seed)
    kinds = [("daily", MIDNIGHT - timedelta(days=n), "%Y-%m-%d") for n in range(days)]
    kinds += [("weekly", datetime(2026, 2, 23, tzinfo=UTC), "2026-W09")]
    kinds += [("monthly", datetime(2026, 2, 1, tzinfo=UTC), "%Y-%m")]
    return [
        {
            "period_type": kind,
            "period": start.strftime(form),
            "period_start": start,
            "country": country,
            "revenue": _money(random),
            "transactions": random.randrange(99),
            "revenue_growth_rate": random.choice([None, Decimal("-0.1250"), Decimal("2.0000")]),
            "partial": kind == "weekly",
            "analysis_date": MIDNIGHT,
        }
        for kind, start, form in kinds
        for country in (None, *COUNTRIES)
    ]


def everything(seed: int = 0) -> dict[str, list[Row]]:
    """All marts the API reads."""
    return {
        "customer_segments": customers(seed + 1),
        "segment_migrations": migrations(),
        "fact_sessions": sessions(seed + 2),
        "product_performance": products(seed + 3),
        "sales_trends": trends(seed + 4),
    }


def _money(random: Random) -> Decimal:
    return Decimal(random.choice([1, 5, 999_999_999_999, random.randrange(10**6)])).scaleb(-2)


def mean(total: Decimal | int, count: int, places: str = "0.01") -> Decimal | None:
    """The plain quotient, rounded half up."""
    if not count:
        return None
    return (Decimal(total) / count).quantize(Decimal(places), ROUND_HALF_UP)


def total(rows: Iterable[Row], column: str) -> Any:
    """Sum of a column."""
    return sum((row[column] for row in rows), Decimal(0))


@pytest.fixture(scope="session")
def published_night(stack: EmbeddedStack) -> Iterator[dict[str, list[Row]]]:
    """Every mart, published once for all tests that only read it."""
    rows = everything()
    with warehouse_named(stack, _NIGHT) as warehouse:
        warehouse.publish(AS_OF, **rows)
        yield rows


@pytest.fixture
def night(database: Database, published_night: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """What is published, as rows; the database's settings lead to it."""
    settings = database.settings
    settings.mongo = settings.mongo.model_copy(update={"database": _NIGHT})
    return published_night
