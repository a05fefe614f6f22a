"""The figures that the API must return, added up from MongoDB's documents one by one."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from app.reconcile.serving.answer_shapes import shaped
from app.reconcile.warehouse.published_documents import Document
from app.reconcile.warehouse.trend_periods import quotient

_NOBODY: Final = "(none)"
#: The API's largest page of products.
_PRODUCTS: Final = 1000


def published_answers(rows: Callable[[str], list[Document]], customer: Mapping[str, Any]) -> dict[str, Any]:
    """Returns figures of the published run; `customer` is PostgreSQL's, the fields only the mart has are added."""
    customers = list(map(_plain, rows("customer_segments")))
    products = [_plain(row) for row in rows("product_performance") if row["country"] is None]
    known = next((each for each in customers if each["user_id"] == customer["user_id"]), {})
    best = sorted(products, key=lambda row: (-row["revenue"], row["product_id"]))
    return {
        **shaped("segments", map(_segment, _grouped(customers, _named("segment_name")))),
        **shaped("rfm", map(_cell, _grouped(customers, _scores))),
        **shaped("migrations", map(_move, _grouped(customers, _way))),
        **shaped("categories", map(_category, _grouped(products, _named("category")))),
        **shaped("products", best[:_PRODUCTS]),
        **shaped("funnel", [_funnel(list(map(_plain, rows("fact_sessions"))))]),
        **shaped("customer", [{**known, **customer}]),
    }


Group = tuple[Any, list[Document]]


def _grouped(documents: Iterable[Document], key: Callable[[Document], Any]) -> Iterable[Group]:
    groups: dict[Any, list[Document]] = defaultdict(list)
    for document in documents:
        groups[key(document)].append(document)
    return groups.items()


def _named(field: str) -> Callable[[Document], Any]:
    return lambda document: document[field]


def _scores(customer: Document) -> tuple[int, int]:
    return customer["r_score"], customer["f_score"]


def _way(customer: Document) -> tuple[str, str]:
    return customer["previous_segment"] or _NOBODY, customer["segment_name"]


def _segment(group: Group) -> Document:
    name, customers = group
    value, number = _sum(customers, "monetary"), len(customers)
    return {
        "segment_name": name,
        "customer_count": number,
        "avg_monetary": quotient(value, number, 2),
        "avg_frequency": quotient(_sum(customers, "frequency"), number, 2),
        "total_value": value,
    }


def _cell(group: Group) -> Document:
    (recency, frequency), customers = group
    return {
        "recency_score": recency,
        "frequency_score": frequency,
        "segment_name": " or ".join(sorted({each["segment_name"] for each in customers})),
        "customers": len(customers),
        "revenue": _sum(customers, "monetary"),
    }


def _move(group: Group) -> Document:
    (before, now), customers = group
    revenue = _sum(customers, "monetary")
    return {"from": before, "to": now, "customers": len(customers), "revenue": revenue}


def _category(group: Group) -> Document:
    name, products = group
    revenue, orders = _sum(products, "revenue"), _sum(products, "transaction_count")
    mean = quotient(revenue, orders, 2)
    return {"category": name, "revenue": revenue, "transaction_count": orders, "avg_transaction_value": mean}


def _funnel(sessions: list[Document]) -> Document:
    steps = {"with_view": "views", "with_cart_add": "cart_adds", "with_checkout": "checkouts"}
    counts = {step: sum(each[field] > 0 for each in sessions) for step, field in steps.items()}
    counts |= {name: sum(each[name] for each in sessions) for name in ("converted", "abandoned")}
    number = len(sessions)
    return {
        "sessions": number,
        **counts,
        "revenue": _sum(sessions, "revenue"),
        "view_rate": quotient(counts["with_view"], number, 4),
        "cart_rate": quotient(counts["with_cart_add"], number, 4),
        "checkout_rate": quotient(counts["with_checkout"], number, 4),
        "conversion_rate": quotient(counts["converted"], number, 4),
        "abandonment_rate": quotient(counts["abandoned"], counts["with_cart_add"], 4),
    }


def _sum(documents: Iterable[Document], field: str) -> Decimal:
    return sum((Decimal(each[field]) for each in documents), Decimal(0))


def _plain(document: Document) -> Document:
    """Returns the document with MongoDB's decimals as Decimal."""
    return {name: value.to_decimal() if hasattr(value, "to_decimal") else value for name, value in document.items()}
