"""`fact_sessions`: one row per visit, over views, carts and orders.

Events with a `session_id` belong to that session, however long it lasts; the session's user is that of its first
event. Only orders can be without one: such orders of a user form sessions of their own, ended by 30 minutes (a
setting) without another; their id is `user@start`. A session belongs to the UTC day of its first event. Its
country is that of the first event that has one. `converted`: it has an order. `abandoned`: something was added to a
cart and nothing was ordered, even if it was removed again. First means least (time, id).
"""

from datetime import timedelta
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f
from pyspark.sql import types as t

from app.topics import CART_EVENTS, PRODUCT_VIEWS, TRANSACTIONS
from batch.arithmetic import MONEY, money, order_cents, total_cents
from batch.frames import Events, cached, contract
from batch.mart import Mart
from batch.unknowns import named, or_unknown

SCHEMA: Final = t.StructType(
    [
        t.StructField("session_id", t.StringType()),
        t.StructField("user_id", t.StringType()),
        t.StructField("country", t.StringType()),
        t.StructField("started_at", t.TimestampType()),
        t.StructField("ended_at", t.TimestampType()),
        t.StructField("duration_seconds", t.LongType()),
        t.StructField("views", t.LongType()),
        t.StructField("cart_adds", t.LongType()),
        t.StructField("cart_removes", t.LongType()),
        t.StructField("checkouts", t.LongType()),
        t.StructField("transactions", t.LongType()),
        t.StructField("units", t.LongType()),
        t.StructField("revenue", MONEY),
        t.StructField("converted", t.BooleanType()),
        t.StructField("abandoned", t.BooleanType()),
    ]
)
_EVENT: Final = ("session_id", "user_id", "timestamp", "id", "kind", "country", "units", "cents")


def fact_sessions(events: Events, gap: timedelta) -> DataFrame:
    """Returns one row per session; executes Spark jobs, because it caches intermediate frames.

    Usually no session is mixed; then events are read once.
    """
    everything = _together(events, gap)
    parts = cached(_parts(everything))
    mixed = cached(_mixed(parts))
    if mixed.count():
        parts = cached(_with_decided(parts, everything, mixed))
    return contract(_with_outcome(parts), SCHEMA)


def _together(events: Events, gap: timedelta) -> DataFrame:
    """Returns views, cart events and orders with the same columns, each with the id of its session."""
    orders = _events(events[TRANSACTIONS], "transaction_id", f.lit("order"), "total_amount")
    given = orders.where(f.col("session_id").isNotNull())
    derived = _with_derived_ids(orders.where(f.col("session_id").isNull()), gap)
    views = _events(events[PRODUCT_VIEWS], "event_id", f.lit("view"))
    carts = _events(events[CART_EVENTS], "event_id", f.col("action"))
    return reduce(DataFrame.unionByName, (given, derived, views, carts))


def _parts(events: DataFrame) -> DataFrame:
    """Returns sums per session, user and country of all events: usually one row per session.

    Texts are keys here and never aggregated: that would sort all events instead of hashing them. A session's
    events are repartitioned first, because before the shuffle there is little to sum up.
    """
    keys = ("session_id", "user_id", "country")
    return events.repartition("session_id").groupBy(*keys).agg(*_sums())


def _mixed(parts: DataFrame) -> DataFrame:
    """Returns the ids of the sessions with several users or countries."""
    counted = parts.groupBy("session_id").agg(f.count("*").alias("parts"))
    return counted.where(f.col("parts") > 1).select("session_id")


def _with_decided(parts: DataFrame, events: DataFrame, mixed: DataFrame) -> DataFrame:
    """Replaces the parts of mixed sessions by one: user and country are those of its first event."""
    plain = parts.join(f.broadcast(mixed), "session_id", "left_anti")
    return plain.unionByName(_decided(events.join(f.broadcast(mixed), "session_id", "left_semi")))


def _decided(events: DataFrame) -> DataFrame:
    place = f.struct("timestamp", "id")
    country = f.struct("timestamp", "id", named("country").alias("country"))
    first_named = f.min(f.when(country["country"].isNotNull(), country))
    first = (f.min_by("user_id", place).alias("user_id"), first_named["country"].alias("country"))
    return events.groupBy("session_id").agg(*first, *_sums())


def _events(rows: DataFrame, key: str, kind: Column, amount: str | None = None) -> DataFrame:
    """Selects the same columns for every kind of event; only orders have units and revenue."""
    nothing = f.lit(0).cast("bigint")
    columns = {
        "id": f.col(key),
        "kind": kind,
        "units": nothing if amount is None else f.col("quantity").cast("bigint"),
        "cents": nothing if amount is None else order_cents(amount),
    }
    return rows.withColumns(columns).select(*_EVENT)


def _with_derived_ids(orders: DataFrame, gap: timedelta) -> DataFrame:
    """Orders at one time are in one session, whichever comes first."""
    by_time = Window.partitionBy("user_id").orderBy("timestamp")
    pause_us = f.unix_micros("timestamp") - f.unix_micros(f.lag("timestamp").over(by_time))
    begins = pause_us.isNull() | (pause_us > int(gap.total_seconds() * 1_000_000))
    start = f.last(f.when(f.col("begins"), f.col("timestamp")), ignorenulls=True)
    marked = orders.withColumn("begins", begins).withColumn("start", start.over(by_time))
    name = f.concat("user_id", f.lit("@"), f.date_format("start", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"))
    return marked.withColumn("session_id", name).select(*_EVENT)


def _sums() -> list[Column]:
    """Returns aggregates of events, each with a fixed width."""
    return [
        f.min("timestamp").alias("started_at"),
        f.max("timestamp").alias("ended_at"),
        _count("view").alias("views"),
        _count("add").alias("cart_adds"),
        _count("remove").alias("cart_removes"),
        _count("checkout").alias("checkouts"),
        _count("order").alias("transactions"),
        f.sum("units").alias("units"),
        total_cents("cents").alias("cents"),
    ]


def _count(kind: str) -> Column:
    return f.count_if(f.col("kind") == kind)


def _with_outcome(sessions: DataFrame) -> DataFrame:
    ordered = f.col("transactions") > 0
    whole_seconds = f.timestamp_diff("SECOND", f.col("started_at"), f.col("ended_at"))
    return sessions.withColumns(
        {
            "country": or_unknown("country"),
            "revenue": money(f.col("cents")),
            "duration_seconds": whole_seconds,
            "converted": ordered,
            "abandoned": (f.col("cart_adds") > 0) & ~ordered,
        }
    )


FACT_SESSIONS: Final = Mart(
    "fact_sessions",
    SCHEMA,
    build=lambda inputs: fact_sessions(inputs.events, inputs.session_gap),
    key=("session_id",),
    required=("session_id", "user_id", "country", "started_at", "ended_at"),
    money="revenue",
    orders="transactions",
    indexes=((("started_at", 1),), (("user_id", 1), ("started_at", 1))),
    fact_time="started_at",
)
