"""Reads users' orders in one partition, or totals of them, for the rules that look further back than memory."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import asyncpg

from app.domain.money import CENTS
from tables.user_histories import NO_ORDER_CENTS, PastOrder, UserHistory, UserTotals

_MICROSECONDS = "(extract(epoch FROM t.timestamp) * 1000000)::BIGINT"


@lru_cache(maxsize=256)
def _statement(traits: tuple[str, ...]) -> str:
    """Returns the query of orders with these fields; times travel as microseconds, which costs neither side a date."""
    fields = "".join(f", t.{trait}" for trait in traits)
    return f"""
SELECT s.user_id, {_MICROSECONDS}, t.source_offset, (t.total_amount * {CENTS})::BIGINT{fields}
FROM unnest($2::TEXT[], $3::BIGINT[]) AS s (user_id, since)
JOIN transactions t ON t.user_id = s.user_id
    AND t.timestamp > TIMESTAMPTZ 'epoch' + s.since * INTERVAL '1 microsecond'
WHERE t.source_partition = $1 AND t.source_offset < $4"""


@lru_cache(maxsize=256)
def _totals_statement(traits: tuple[str, ...]) -> str:
    """Returns the query of totals; per user, so that only the user's own orders are ever looked at."""
    fields = "".join(f", min(t.{trait}), max(t.{trait})" for trait in traits)
    return f"""
SELECT s.user_id, s.since, found.*
FROM unnest($2::TEXT[], $3::BIGINT[]) AS s (user_id, since) CROSS JOIN LATERAL (
    SELECT count(*), coalesce(sum(t.total_amount) * {CENTS}, 0)::BIGINT, (min(t.total_amount) * {CENTS})::BIGINT{fields}
    FROM transactions t
    WHERE t.user_id = s.user_id AND t.timestamp > TIMESTAMPTZ 'epoch' + s.since * INTERVAL '1 microsecond'
        AND t.source_partition = $1 AND t.source_offset < $4
) AS found"""


async def read_totals(
    connection: asyncpg.Connection, partition: int, before: int, unknown: Mapping[str, int], traits: Sequence[str]
) -> dict[str, UserTotals]:
    """Returns the totals of users, each since its own time (microseconds), of orders with offsets below `before`."""
    statement = _totals_statement(tuple(traits))
    found = await connection.fetch(statement, partition, list(unknown), list(unknown.values()), before)
    totals = {}
    for user_id, since_us, count, cents, least_cents, *values in found:
        sample = tuple(values[::2])
        common = tuple(place for place, greatest in enumerate(values[1::2]) if greatest == sample[place])
        least_cents = NO_ORDER_CENTS if least_cents is None else least_cents
        totals[user_id] = UserTotals(since_us, count, cents, least_cents, sample, common)
    return totals


async def read_histories(
    connection: asyncpg.Connection, partition: int, before: int, needed: Mapping[str, int], traits: Sequence[str]
) -> dict[str, UserHistory]:
    """Returns the histories of users, each since its own time (microseconds), of orders with offsets below `before`."""
    found = await connection.fetch(_statement(tuple(traits)), partition, list(needed), list(needed.values()), before)
    orders: dict[str, list[PastOrder]] = {}
    for user_id, timestamp_us, offset, cents, *values in found:
        orders.setdefault(user_id, []).append(PastOrder(timestamp_us, offset, cents, tuple(values)))
    return {user_id: UserHistory(since_us, orders.get(user_id, ())) for user_id, since_us in needed.items()}
