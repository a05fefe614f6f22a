"""What the REST API answers, asked over HTTP as any client would."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, urlencode

from app.reconcile.comparison import Account
from app.reconcile.serving.answer_shapes import ANOMALIES, EVERYWHERE, GROUPS, TRENDS, shaped
from compose.patience import ANSWER_SECONDS

_MOST: Final = 1000

Answer = Mapping[str, Any]


def answered(api_url: str, user_id: str, transaction_id: str) -> Account:
    """Every figure the API tells about everything stored, one customer and one order.

    Raises OSError when it does not answer or refuses.
    """
    return {
        **_stream(api_url),
        **_warehouse(api_url),
        **_customer(_asked(api_url, f"customers/{quote(user_id, safe='')}")),
        **shaped("order", [_timed(_asked(api_url, f"transactions/{quote(transaction_id)}"))]),
    }


def _stream(url: str) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    countries = _asked(url, "dimensions")["countries"]
    sales = [{"country": EVERYWHERE, **_asked(url, "sales/metrics")}]
    sales += [{"country": c, **_asked(url, "sales/metrics", country=c)} for c in countries]
    figures |= shaped("sales", sales)
    for group in GROUPS:
        lines = _asked(url, "sales/breakdown", group_by=group)["groups"]
        figures |= shaped(f"sales by {group}", lines)
    counts = [
        {"anomaly_type": kind, "count": len(list(_paged(url, "anomalies", anomaly_type=kind)))} for kind in ANOMALIES
    ]
    topics = _asked(url, "operations")["topics"]
    return figures | shaped("anomalies", counts) | shaped("topic", topics)


def _warehouse(url: str) -> dict[str, Any]:
    products = {
        title: _asked(url, "products/performance", group_by=group, limit=_MOST)["products"]
        for title, group in (("categories", "category"), ("products", "product"))
    }
    figures = {
        **shaped("segments", _asked(url, "customers/segments")["segments"]),
        **shaped("rfm", _asked(url, "customers/rfm")["cells"]),
        **shaped("migrations", _asked(url, "customers/migrations")["migrations"]),
        **shaped("categories", products["categories"]),
        **shaped("products", products["products"]),
        **shaped("funnel", [_asked(url, "funnel")]),
    }
    for kind in TRENDS:
        figures |= shaped(f"trends {kind}", _paged(url, "trends", period_type=kind))
    return figures


def _customer(answer: Answer) -> dict[str, Any]:
    orders = [_timed(order) for order in answer["recent_transactions"] or ()]
    return shaped("customer", [answer]) | shaped("customer's order", orders)


def _paged(url: str, path: str, **query: str) -> Iterator[Answer]:
    """Every item of a paged resource, which is named like its path."""
    place: dict[str, str] = {}
    while True:
        page = _asked(url, path, limit=_MOST, **query, **place)
        yield from page[path]
        if page["next_cursor"] is None:
            return
        place = {"cursor": page["next_cursor"]}


def _asked(url: str, path: str, **query: object) -> Answer:
    """An answer with its decimals exact."""
    address = f"{url}/api/v1/{path}" + (f"?{urlencode(query)}" if query else "")
    with urllib.request.urlopen(address, timeout=ANSWER_SECONDS) as response:
        answer: Answer = json.load(response, parse_float=Decimal)
    return answer


def _timed(order: Answer) -> Answer:
    return {**order, "timestamp": datetime.fromisoformat(order["timestamp"])}
