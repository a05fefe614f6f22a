"""Loads the state of a worker's partitions from PostgreSQL, as of one snapshot.

PostgreSQL is the changelog: the state is a function of the accepted rows, so it can be rebuilt at any time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

import asyncpg

from app.domain.names import name_or_unknown
from app.domain.pseudonyms import ErasedUsers
from app.events.decoding import EPOCH, MICROSECOND
from app.sink.erased_users import read_erased
from app.sink.ledger import Progress, read_progress
from app.sink.partition_state import PartitionState
from app.topics import TRANSACTIONS
from tables.sales_state import SalesState
from tables.sliding_window import WINDOW_SECONDS
from tables.velocity import PartitionVelocity

_RECENT_ROWS: Final = """
SELECT source_partition, user_id, timestamp, (total_amount * 100)::BIGINT AS cents, category, country
FROM transactions
WHERE source_partition = ANY($1::INTEGER[]) AND timestamp > $2 AND timestamp <= $3"""
_PREFETCH_ROWS: Final = 5000


class _StoredSale(NamedTuple):
    """The fields of a stored transaction that the live figures use."""

    amount_cents: int
    category: str | None
    country: str | None


@dataclass(slots=True)
class TimeRange:
    """Event time `(after_us, upto_us]`, and the partitions whose rows of it are loaded."""

    after_us: int
    upto_us: int
    partitions: list[int]


def ranges_to_load(progress: Mapping[int, Progress], now_us: int) -> list[TimeRange]:
    """Returns the ranges to read: per partition from its horizon or the live window to its newest row; overlaps merged.

    For a partition that has had no events for a year, only its last minutes are read, not the whole year.
    """
    oldest_live_us = now_us - WINDOW_SECONDS * 1_000_000
    wanted = [
        TimeRange(min(at.horizon_us, oldest_live_us), at.watermark_us, [partition])
        for partition, at in progress.items()
        if at.horizon_us is not None and at.watermark_us is not None
    ]
    ranges: list[TimeRange] = []
    for time_range in sorted(wanted, key=lambda time_range: time_range.after_us):
        if ranges and time_range.after_us < ranges[-1].upto_us:
            ranges[-1].upto_us = max(ranges[-1].upto_us, time_range.upto_us)
            ranges[-1].partitions += time_range.partitions
        else:
            ranges.append(time_range)
    return ranges


async def load_states(
    connection: asyncpg.Connection, topic: str, partitions: Sequence[int], now_us: int
) -> dict[int, PartitionState]:
    """Returns the states of the partitions that have a ledger row; ledger and rows come from one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        progress = await read_progress(connection, topic, list(partitions))
        erased = await read_erased(connection, topic)
        if topic != TRANSACTIONS:
            return {partition: PartitionState(at, erased=erased) for partition, at in progress.items()}
        return await _load_sales(connection, progress, erased, now_us)


async def _load_sales(
    connection: asyncpg.Connection, progress: Mapping[int, Progress], erased: ErasedUsers, now_us: int
) -> dict[int, PartitionState]:
    states = {
        partition: PartitionState(at, SalesState(PartitionVelocity(at.horizon_us), name_or_unknown), erased)
        for partition, at in progress.items()
    }
    for time_range in ranges_to_load(progress, now_us):
        bounds = [EPOCH + timedelta(microseconds=at) for at in (time_range.after_us, time_range.upto_us)]
        rows = connection.cursor(_RECENT_ROWS, time_range.partitions, *bounds, prefetch=_PREFETCH_ROWS)
        async for row in rows:
            _restore(states[row["source_partition"]], row, now_us)
    return states


def _restore(state: PartitionState, row: Any, now_us: int) -> None:
    sales = state.sales
    if sales is None:
        return
    timestamp_us = (row["timestamp"] - EPOCH) // MICROSECOND
    sales.velocity.restore(row["user_id"], timestamp_us)
    sale = _StoredSale(row["cents"], row["category"], row["country"])
    sales.accept([sale], [timestamp_us], state.progress.horizon_us, now_us)
