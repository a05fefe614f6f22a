"""Compares every answer of the API with the stores."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from app.patience import ANSWER_SECONDS
from app.reconcile.comparison import FAILURES, Account, Comparison
from app.reconcile.serving.answer_shapes import EVERYWHERE, GROUPS, TRENDS, shaped
from app.reconcile.serving.postgres_answers import StoredAnswers, stored_answers
from app.reconcile.serving.warehouse_answers import published_answers
from app.reconcile.stream.edition_records import GUIDE_RULES
from app.reconcile.warehouse.published_documents import open_published
from app.reconcile.warehouse.stored_totals import open_auditor
from app.settings import Settings

_MOST: Final = 1000
Answer = Mapping[str, Any]
API: Final = "api"
_AGAIN_SECONDS: Final = 2.0


class Api(NamedTuple):
    """Where the API answers, and the key it asks for."""

    url: str
    key: str | None = None


def answered(api: Api, user_id: str, transaction_id: str) -> Account:
    """Returns every figure of the API about everything stored, one customer and one order.

    Raises OSError when the API does not respond or refuses.
    """
    return {
        **_stream(api),
        **_warehouse(api),
        **_customer(_get(api, f"customers/{quote(user_id, safe='')}")),
        **shaped("order", [_timed(_get(api, f"transactions/{quote(transaction_id)}"))]),
    }


def _stream(api: Api) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    countries = _get(api, "dimensions")["countries"]
    sales = [{"country": EVERYWHERE, **_get(api, "sales/metrics")}]
    sales += [{"country": c, **_get(api, "sales/metrics", country=c)} for c in countries]
    figures |= shaped("sales", sales)
    for group in GROUPS:
        lines = _get(api, "sales/breakdown", group_by=group)["groups"]
        figures |= shaped(f"sales by {group}", lines)
    counts = [
        {"anomaly_type": kind, "count": len(list(_paged(api, "anomalies", anomaly_type=kind)))} for kind in GUIDE_RULES
    ]
    topics = _get(api, "operations")["topics"]
    return figures | shaped("anomalies", counts) | shaped("topic", topics)


def _warehouse(api: Api) -> dict[str, Any]:
    products = {
        title: _get(api, "products/performance", group_by=group, limit=_MOST)["products"]
        for title, group in (("categories", "category"), ("products", "product"))
    }
    figures = {
        **shaped("segments", _get(api, "customers/segments")["segments"]),
        **shaped("rfm", _get(api, "customers/rfm")["cells"]),
        **shaped("migrations", _get(api, "customers/migrations")["migrations"]),
        **shaped("categories", products["categories"]),
        **shaped("products", products["products"]),
        **shaped("funnel", [_get(api, "funnel")]),
    }
    for kind in TRENDS:
        figures |= shaped(f"trends {kind}", _paged(api, "trends", period_type=kind))
    return figures


def _customer(answer: Answer) -> dict[str, Any]:
    orders = [_timed(order) for order in answer["recent_transactions"] or ()]
    return shaped("customer", [answer]) | shaped("customer's order", orders)


def _paged(api: Api, path: str, **query: str) -> Iterator[Answer]:
    """Every item of a paged resource, which is named like its path."""
    place: dict[str, str] = {}
    while True:
        page = _get(api, path, limit=_MOST, **query, **place)
        yield from page[path]
        if page["next_cursor"] is None:
            return
        place = {"cursor": page["next_cursor"]}


def _get(api: Api, path: str, **query: object) -> Answer:
    """An answer with its decimals exact."""
    address = f"{api.url.rstrip('/')}/api/v1/{path}" + (f"?{urlencode(query)}" if query else "")
    request = urllib.request.Request(address, headers={"X-API-Key": api.key} if api.key else {})
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:
        answer: Answer = json.load(response, parse_float=Decimal)
    return answer


def _timed(order: Answer) -> Answer:
    return {**order, "timestamp": datetime.fromisoformat(order["timestamp"])}


async def expected_answers(settings: Settings) -> StoredAnswers:
    """What the API has to answer now; raises RecountError when a store cannot be read or nothing is stored."""
    with open_published(settings.mongo) as published:
        async with open_auditor(settings.postgres) as connection:
            stored = await stored_answers(connection, published.as_of, published.read_on)
        figures = {**stored.figures, **published_answers(published.rows, stored.customer)}
    return replace(stored, figures=figures)


async def check_api(settings: Settings, api: Api, settle_seconds: float) -> Comparison:
    """Compares, and repeats while something differs, for at most `settle_seconds`.

    The API answers from its cache for a while and reads a new run only once it is prepared. If new events were
    stored meanwhile, `moving` is set: figures of a moving stream need not agree. Raises RecountError when a
    store cannot be read.
    """
    deadline = time.monotonic() + settle_seconds
    first: dict[str, Any] = {}
    while True:
        stored = await expected_answers(settings)
        consumed = _consumed(stored)
        first = first or consumed
        comparison = await asyncio.to_thread(_compared, stored, api)
        if not comparison.differences:
            return comparison
        if time.monotonic() > deadline:
            return replace(comparison, moving=consumed != first)
        await asyncio.sleep(_AGAIN_SECONDS)


def _compared(stored: StoredAnswers, api: Api) -> Comparison:
    try:
        found = answered(api, stored.customer["user_id"], stored.transaction_id)
    except FAILURES as error:
        return Comparison(API, failure=f"{api.url}: {type(error).__name__}: {error}")
    return Comparison(API, stored.figures, found)


def _consumed(stored: StoredAnswers) -> dict[str, Any]:
    return {name: count for name, count in stored.figures.items() if name.endswith(": consumed")}
