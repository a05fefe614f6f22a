"""Loading what a worker must remember of its partitions from PostgreSQL, as of one snapshot.

PostgreSQL is the changelog: state is a function of the accepted rows, so it is read back when it is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

_REMEMBERED_ROWS: Final = """
SELECT source_partition, user_id, timestamp, (total_amount * 100)::BIGINT AS cents, category, country
FROM transactions
WHERE source_partition = ANY($1::INTEGER[]) AND timestamp > $2 AND timestamp <= $3"""
_PREFETCH_ROWS: Final = 5000


class _StoredSale(NamedTuple):
    """A stored transaction as the live figures see it."""

    amount_cents: int
    category: str | None
    country: str | None


@dataclass(slots=True)
class Span:
    """Event time `(after_us, upto_us]` and the partitions whose rows of it are remembered."""

    after_us: int
    upto_us: int
    partitions: list[int]


def remembered_spans(progress: Mapping[int, Progress], now_us: int) -> list[Span]:
    """What to read: from each partition's horizon, or the live window, to its newest row; overlapping spans as one.

    A partition that has been quiet for a year costs a read of its last minutes, not one of the year.
    """
    oldest_live_us = now_us - WINDOW_SECONDS * 1_000_000
    wanted = [
        Span(min(at.horizon_us, oldest_live_us), at.watermark_us, [partition])
        for partition, at in progress.items()
        if at.horizon_us is not None and at.watermark_us is not None
    ]
    spans: list[Span] = []
    for span in sorted(wanted, key=lambda span: span.after_us):
        if spans and span.after_us < spans[-1].upto_us:
            spans[-1].upto_us = max(spans[-1].upto_us, span.upto_us)
            spans[-1].partitions += span.partitions
        else:
            spans.append(span)
    return spans


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
    for span in remembered_spans(progress, now_us):
        bounds = [EPOCH + timedelta(microseconds=at) for at in (span.after_us, span.upto_us)]
        rows = connection.cursor(
            _REMEMBERED_ROWS, span.partitions, *bounds, prefetch=_PREFETCH_ROWS
        )
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
