"""The API's responses that are compared: their keys and figures, by title."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.reconcile.comparison import Row, named
from app.reconcile.stream.record_validation import COLUMNS
from app.topics import TRANSACTIONS

EVERYWHERE: Final = "everywhere"

_SALES: Final = ("revenue", "transaction_count", "avg_order_value")
_TREND: Final = ("revenue", "transactions", "revenue_growth_rate", "partial")
_OWN: Final = ("user_id", "session_id")
#: Fingerprints are for rules alone: the API does not show them.
_HIDDEN: Final = ("card", "device", "ip", "email")
_ORDER: Final = tuple(name for name in COLUMNS[TRANSACTIONS] if name not in ("transaction_id", *_OWN, *_HIDDEN))
GROUPS: Final = ("day", "category", "country")
TRENDS: Final = ("daily", "weekly", "monthly")

#: Keys and figures of the rows under each title.
SHAPES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "sales": (("country",), ("total_revenue", "total_transactions", "avg_order_value")),
    **{f"sales by {group}": (("key",), _SALES) for group in GROUPS},
    "segments": (("segment_name",), ("customer_count", "avg_monetary", "avg_frequency", "total_value")),
    "rfm": (("recency_score", "frequency_score"), ("segment_name", "customers", "revenue")),
    "migrations": (("from", "to"), ("customers", "revenue")),
    "categories": (("category",), ("revenue", "transaction_count", "avg_transaction_value")),
    "products": (
        ("product_id",),
        (
            "category",
            "revenue",
            "units",
            "transaction_count",
            "avg_transaction_value",
            "views",
            "cart_adds",
            "conversion",
        ),
    ),
    **{f"trends {kind}": (("period",), _TREND) for kind in TRENDS},
    "funnel": (
        (),
        (
            "sessions",
            "with_view",
            "with_cart_add",
            "with_checkout",
            "converted",
            "abandoned",
            "revenue",
            "view_rate",
            "cart_rate",
            "checkout_rate",
            "conversion_rate",
            "abandonment_rate",
        ),
    ),
    "anomalies": (("anomaly_type",), ("count",)),
    "customer": (
        ("user_id",),
        (
            "country",
            "recency",
            "frequency",
            "monetary",
            "r_score",
            "f_score",
            "m_score",
            "rfm_segment",
            "segment_name",
            "previous_segment",
        ),
    ),
    "customer's order": (("transaction_id",), _ORDER),
    "order": (("transaction_id",), (*_OWN, *_ORDER)),
    "topic": (("topic",), ("consumed", "stored", "duplicates", "conflicting", "dead_lettered", "late", "lost")),
}


def shaped(title: str, rows: Iterable[Row]) -> dict[str, Any]:
    """Returns the rows' figures under their names."""
    return named(title, *SHAPES[title], rows)
