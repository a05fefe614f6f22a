"""A warehouse of made-up documents in the batch's shape; cached for the next run.

Small compared with the orders: the embedded server adds up about 10,000 documents a second.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

from pymongo import MongoClient

from app.published_run import Document
from app.settings import Settings
from batch.warehouse_writer import published
from tests.bench.api.stored import CATEGORIES, COUNTRIES
from tests.support.warehouses import Warehouse

AS_OF: Final = date(2026, 2, 28)
_MIDNIGHT: Final = datetime(2026, 2, 28, tzinfo=UTC)
_PRODUCTS: Final = 1_000
_SESSIONS: Final = 20_000
_DAYS: Final = 365
_SEGMENTS: Final = ("Champions", "Loyal Customers", "At Risk", "Lost", "Hibernating")

CUSTOMERS: Final = 20_000

Row = dict[str, Any]


def fill_warehouse(settings: Settings) -> None:
    """Publish every mart the API reads, unless an earlier run has."""
    assert settings.mongo.url is not None
    with MongoClient[Document](settings.mongo.url.get_secret_value(), tz_aware=True) as client:
        warehouse = Warehouse(client[settings.mongo.database])
        if published(warehouse.mongo)["number"]:
            return
        random = Random(1)
        warehouse.publish(
            AS_OF,
            customer_segments=list(_customers(random)),
            sales_trends=list(_trends(random)),
            fact_sessions=list(_sessions(random)),
            product_performance=list(_products(random)),
            segment_migrations=list(_migrations(random)),
        )


def _money(random: Random, most: int) -> Decimal:
    return Decimal(random.randrange(most)).scaleb(-2)


def _customers(random: Random) -> Iterator[Row]:
    for n in range(CUSTOMERS):
        recency, frequency = random.randrange(1, 6), random.randrange(1, 6)
        yield {
            "user_id": f"u{n}",
            "country": random.choice(COUNTRIES),
            "recency": n % 90,
            "frequency": random.randrange(1, 99),
            "monetary": _money(random, 10**7),
            "r_score": recency,
            "f_score": frequency,
            "m_score": random.randrange(1, 6),
            "rfm_segment": f"{recency}{frequency}1",
            "segment_name": _SEGMENTS[(recency * 5 + frequency) % len(_SEGMENTS)],
            "previous_segment": "Lost",
            "last_purchase": _MIDNIGHT,
            "analysis_date": _MIDNIGHT,
        }


def _migrations(random: Random) -> Iterator[Row]:
    for former in _SEGMENTS:
        for now in _SEGMENTS:
            yield {
                "from": former,
                "to": now,
                "customers": random.randrange(9999),
                "revenue": _money(random, 10**9),
                "analysis_date": _MIDNIGHT,
            }


def _sessions(random: Random) -> Iterator[Row]:
    for n in range(_SESSIONS):
        start = _MIDNIGHT - timedelta(seconds=random.randrange(_DAYS * 86_400))
        converted = random.random() < 0.1
        yield {
            "session_id": f"s{n}",
            "user_id": f"u{n % CUSTOMERS}",
            "country": random.choice(COUNTRIES),
            "started_at": start,
            "ended_at": start,
            "duration_seconds": 0,
            "views": random.randrange(9),
            "cart_adds": random.randrange(3),
            "cart_removes": 0,
            "checkouts": int(converted),
            "transactions": int(converted),
            "units": int(converted),
            "revenue": _money(random, 10**5) if converted else Decimal("0.00"),
            "converted": converted,
            "abandoned": not converted,
        }


def _products(random: Random) -> Iterator[Row]:
    for n in range(_PRODUCTS):
        for country in (None, *COUNTRIES):
            yield {
                "product_id": f"p{n}",
                "country": country,
                "category": f"Category {n % CATEGORIES}",
                "revenue": _money(random, 10**7),
                "units": 9,
                "transaction_count": 7,
                "avg_transaction_value": _money(random, 10**6),
                "views": 100,
                "cart_adds": 20,
                "conversion": Decimal("0.0700"),
            }


def _trends(random: Random) -> Iterator[Row]:
    for kind, number, step in (("daily", _DAYS, 1), ("weekly", 52, 7), ("monthly", 12, 30)):
        for n in range(number):
            start = _MIDNIGHT - timedelta(days=n * step)
            for country in (None, *COUNTRIES):
                yield {
                    "period_type": kind,
                    "period": f"{kind} {start:%Y-%m-%d}",
                    "period_start": start,
                    "country": country,
                    "revenue": _money(random, 10**8),
                    "transactions": 999,
                    "revenue_growth_rate": Decimal("0.0100"),
                    "partial": False,
                    "analysis_date": _MIDNIGHT,
                }
