"""Loading what a worker must remember of its partitions from PostgreSQL, as of one snapshot.

PostgreSQL is the changelog: state is a function of the accepted rows, so it is read back when it is missing.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

import asyncpg

from app.domain.erasure import ErasedUsers
from app.domain.sales_state import SalesState
from app.domain.sliding import WINDOW_SECONDS
from app.domain.velocity import PartitionVelocity
from app.events.decoding import EPOCH, MICROSECOND
from app.sink.erasures import read_erased
from app.sink.ledger import Progress, read_progress
from app.sink.partition_state import PartitionState
from app.topics import TRANSACTIONS

_RECENT_ROWS: Final = """
SELECT source_partition, user_id, timestamp, (total_amount * 100)::BIGINT AS cents, category, country
FROM transactions WHERE source_partition = ANY($1::INTEGER[]) AND timestamp > $2"""
_PREFETCH_ROWS: Final = 5000


class _StoredSale(NamedTuple):
    """A stored transaction as the live figures see it."""

    amount_cents: int
    category: str | None
    country: str | None


async def load_states(
    connection: asyncpg.Connection, topic: str, partitions: Sequence[int], now_us: int
) -> dict[int, PartitionState]:
    """State of the partitions that have a ledger row; ledger and rows come from one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        progress = await read_progress(connection, topic, list(partitions))
        erased = await read_erased(connection, topic)
        if topic != TRANSACTIONS:
            return {
                partition: PartitionState(at, erased=erased) for partition, at in progress.items()
            }
        return await _load_sales(connection, progress, erased, now_us)


async def _load_sales(
    connection: asyncpg.Connection,
    progress: Mapping[int, Progress],
    erased: ErasedUsers,
    now_us: int,
) -> dict[int, PartitionState]:
    states = {
        partition: PartitionState(at, SalesState(PartitionVelocity(at.horizon_us)), erased)
        for partition, at in progress.items()
    }
    floor_us = _floor(progress, now_us)
    query = connection.cursor(
        _RECENT_ROWS, list(states), EPOCH + timedelta(microseconds=floor_us),
        prefetch=_PREFETCH_ROWS,
    )  # fmt: skip
    async for row in query:
        _restore(states[row["source_partition"]], row, now_us)
    return states


def _floor(progress: Mapping[int, Progress], now_us: int) -> int:
    """The oldest instant any of the partitions needs; without a horizon there are no accepted rows."""
    horizons = [at.horizon_us for at in progress.values() if at.horizon_us is not None]
    return min([now_us - WINDOW_SECONDS * 1_000_000, *horizons])


def _restore(state: PartitionState, row: Any, now_us: int) -> None:
    sales = state.sales
    if sales is None:
        return
    timestamp_us = (row["timestamp"] - EPOCH) // MICROSECOND
    sales.velocity.restore(row["user_id"], timestamp_us)
    sale = _StoredSale(row["cents"], row["category"], row["country"])
    sales.accept([sale], [timestamp_us], state.progress.horizon_us, now_us)
