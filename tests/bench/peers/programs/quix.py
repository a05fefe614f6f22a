"""The job in Quix Streams, as its documentation writes it: one application, three PostgreSQL sinks.

Runs in an environment of its own that knows nothing of this project. GLOBALMART_* as usual; PEER_STATE is the folder of
the state, PEER_GUARANTEE "at-least-once" (the default of Quix Streams) or "exactly-once".
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Sum
from quixstreams.sinks.community.postgresql import PostgreSQLSink

Order = dict[str, Any]

#: Longer than any order of the generator is late: the worker counts those, too.
_LATENESS = timedelta(hours=2)
_COMMIT_SECONDS = 1.0
_COLUMNS = (
    "transaction_id",
    "user_id",
    "timestamp",
    "total_amount",
    "category",
    "country",
    "payment_method",
    "quantity",
    "product_id",
    "session_id",
)


def main() -> None:
    """Run the application until killed."""
    application = Application(
        broker_address=os.environ["GLOBALMART_KAFKA_BOOTSTRAP"],
        consumer_group=os.environ["GLOBALMART_KAFKA_GROUP"],
        auto_offset_reset="earliest",
        commit_interval=_COMMIT_SECONDS,
        state_dir=os.environ["PEER_STATE"],
        processing_guarantee=_guarantee(os.environ["PEER_GUARANTEE"]),
    )
    topic = application.topic("transactions", timestamp_extractor=_event_time, key_deserializer="str")
    orders = application.dataframe(topic)
    orders.apply(_row).sink(_sink("peer_transactions", on_conflict_do_nothing=True))
    orders.apply(_anomalies, expand=True).sink(_sink("peer_anomalies", on_conflict_do_nothing=True))
    (
        orders.apply(_sale)
        .group_by(_category_and_country, name="sales", key_serializer="str", key_deserializer="str")
        .hopping_window(timedelta(seconds=60), timedelta(seconds=30), grace_ms=_LATENESS)
        .agg(count=Count(), cents=Sum("cents"))
        .current()
        .apply(_window, metadata=True)
        .sink(
            _sink(
                "peer_sales_metrics",
                primary_key_columns=["window_start", "category", "country"],
                upsert_on_primary_key=True,
            )
        )
    )
    application.run()


def _guarantee(name: str) -> Literal["at-least-once", "exactly-once"]:
    return "exactly-once" if name == "exactly-once" else "at-least-once"


def _sink(table: str, **keys: Any) -> PostgreSQLSink:
    return PostgreSQLSink(
        host=os.environ["GLOBALMART_POSTGRES_HOST"],
        port=int(os.environ["GLOBALMART_POSTGRES_PORT"]),
        dbname=os.environ["GLOBALMART_POSTGRES_DATABASE"],
        user=os.environ["GLOBALMART_POSTGRES_OWNER_USER"],
        password=os.environ["GLOBALMART_POSTGRES_OWNER_PASSWORD"],
        table_name=table,
        schema_auto_update=False,
        include_metadata=False,
        **keys,
    )


def _time_of(order: Order) -> datetime:
    timestamp = datetime.fromisoformat(order["timestamp"])
    return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)


def _event_time(order: Order, _headers: Any, _timestamp: float, _kind: Any) -> int:
    return int(_time_of(order).timestamp() * 1000)


def _amount(order: Order) -> Decimal:
    return Decimal(str(order["total_amount"])).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _row(order: Order) -> Order:
    known = {**order, "timestamp": _time_of(order), "total_amount": _amount(order), "quantity": _quantity(order)}
    return {name: known.get(name) for name in _COLUMNS}


def _quantity(order: Order) -> int:
    return int(order.get("quantity") or 1)


def _anomalies(order: Order) -> Iterator[Order]:
    amount = _amount(order)
    raised = {"high_value": amount > 5000, "unusual_quantity": _quantity(order) >= 10}
    return (
        {
            "transaction_id": order["transaction_id"],
            "anomaly_type": name,
            "user_id": order["user_id"],
            "amount": amount,
            "event_time": _time_of(order),
        }
        for name, is_raised in raised.items()
        if is_raised
    )


def _sale(order: Order) -> Order:
    return {"category": order["category"], "country": order["country"], "cents": int(_amount(order) * 100)}


def _category_and_country(sale: Order) -> str:
    return f"{sale['category']}|{sale['country']}"


def _window(window: Order, key: str, _timestamp: int, _headers: Any) -> Order:
    category, country = key.split("|")
    return {
        "window_start": datetime.fromtimestamp(window["start"] / 1000, UTC),
        "window_end": datetime.fromtimestamp(window["end"] / 1000, UTC),
        "category": category,
        "country": country,
        "total_amount": Decimal(window["cents"]) / 100,
        "transaction_count": window["count"],
    }


if __name__ == "__main__":
    main()
