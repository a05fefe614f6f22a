"""What is asked: every GET but the event stream, in turn, with parameters as clients choose them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Final

from tests.bench.api.published import CUSTOMERS
from tests.bench.api.stored import CATEGORIES, COUNTRIES

Query = Mapping[str, str]
#: The address and the parameters; the name of the endpoint is the key they are cached under.
Question = tuple[str, Query]

_V1: Final = "/api/v1"
_LAST: Final = datetime(2026, 2, 28, tzinfo=UTC)


def questions(random: Random, orders: int) -> dict[str, Callable[[], Question]]:
    """A maker of questions per endpoint."""
    plain = (
        "/health",
        "/ready",
        "/metrics",
        "/openapi.json",
        f"{_V1}/customers/migrations",
        f"{_V1}/live/revenue",
        f"{_V1}/dimensions",
        f"{_V1}/operations",
    )

    def some_user() -> Question:
        return f"{_V1}/customers/u{random.randrange(CUSTOMERS)}", {}

    def some_order() -> Question:
        return f"{_V1}/transactions/t{random.randrange(1, orders)}", {}

    def with_(path: str, *makers: Callable[[Random], Query]) -> Callable[[], Question]:
        def make() -> Question:
            return _V1 + path, {k: v for maker in makers for k, v in maker(random).items()}

        return make

    return {
        **{path: partial(_plain, path) for path in plain},
        "/sales/metrics": with_("/sales/metrics", _odd_period, _country),
        "/sales/breakdown": with_("/sales/breakdown", _breakdown, _country),
        "/customers/segments": with_("/customers/segments", _country),
        "/customers/rfm": with_("/customers/rfm", _country),
        "/customers/{user_id}": some_user,
        "/products/performance": with_("/products/performance", _products, _country),
        "/trends": with_("/trends", _trends, _country),
        "/live/minutes": with_("/live/minutes", _country),
        "/funnel": with_("/funnel", _days, _country),
        "/anomalies": with_("/anomalies", _anomalies, _odd_period),
        "/transactions/{transaction_id}": some_order,
    }


def _plain(path: str) -> Question:
    return path, {}


def _country(random: Random) -> Query:
    return random.choice([{}, {"country": random.choice(COUNTRIES)}])


def _odd_period(random: Random) -> Query:
    """To the second, from a minute to the whole year."""
    end = _LAST - timedelta(seconds=random.randrange(300 * 86_400))
    length = timedelta(seconds=random.choice([60, 3600, 86_400, 7 * 86_400, 60 * 86_400]))
    periods: list[Query] = [{}, {"start_date": (end - length).isoformat(), "end_date": end.isoformat()}]
    return random.choice(periods)


def _days(random: Random) -> Query:
    """Whole days: the last week, month, quarter, or everything."""
    length = random.choice([7, 30, 90, 365])
    return {} if length == 365 else {"start_date": str((_LAST - timedelta(days=length)).date())}


def _breakdown(random: Random) -> Query:
    group = random.choice(["day", "hour", "category", "country"])
    days = random.choice([7, 30]) if group == "hour" else random.choice([7, 30, 90, 365])
    start = {"start_date": str((_LAST - timedelta(days=days)).date())}
    return {"group_by": group, **({} if days == 365 else start)}


def _products(random: Random) -> Query:
    group = random.choice(["category", "product"])
    category = {"category": f"Category {random.randrange(CATEGORIES)}"}
    return {"group_by": group, "limit": "20", **random.choice([{}, category])}


def _trends(random: Random) -> Query:
    return {"period_type": random.choice(["daily", "weekly", "monthly"]), **_days(random)}


def _anomalies(random: Random) -> Query:
    return random.choice([{}, {"anomaly_type": "high_value"}, {"limit": "20"}])
