"""Opens partitions: checks the ledger against Kafka and loads the states from PostgreSQL.

States are loaded as of one snapshot. PostgreSQL is the changelog: the state is a function of the accepted rows, so it
can be rebuilt at any time.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple, Protocol

import asyncpg
from faust.types import TP
from mode import Service
from mode.utils.logging import get_logger

from app.domain.names import name_or_unknown
from app.domain.pseudonyms import ErasedUsers
from app.domain.timestamps import EPOCH, MICROSECOND
from app.errors import LedgerError
from app.sink import ledger
from app.sink.connection import SinkConnection
from app.sink.erased_users import read_erased
from app.sink.ledger import Progress, read_progress
from app.sink.partition_state import PartitionState
from app.sink.stateful_rules import STATEFUL_RULES, new_states
from app.sink.tables import STORED_TOPICS
from app.topics import TRANSACTIONS
from tables.sales_state import SalesState
from tables.sliding_window import WINDOW_SECONDS

#: What the live figures and the rules need of a row.
_COLUMNS: Final = {"amount_cents", "category", "country", *(name for rule in STATEFUL_RULES for name in rule.columns)}
_RECENT_ROWS: Final = f"""
SELECT source_partition, timestamp, {STORED_TOPICS[TRANSACTIONS].row_values(_COLUMNS)}
FROM transactions
WHERE source_partition = ANY($1::INTEGER[]) AND timestamp > $2 AND timestamp <= $3"""
_PREFETCH_ROWS: Final = 5000
logger = get_logger(__name__)
_ANSWER_SECONDS: Final = 10.0


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
        partition: PartitionState(at, SalesState(new_states(at.horizon_us), name_or_unknown), erased)
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
    for rule in STATEFUL_RULES:
        rule.restore(sales.rules[rule.measure], row, timestamp_us)
    sale = _StoredSale(row["amount_cents"], row["category"], row["country"])
    sales.accept([sale], [timestamp_us], state.progress.horizon_us, now_us)


class KafkaOffsets(Protocol):
    """What Kafka holds of partitions."""

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Returns the first offsets that Kafka holds."""

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Returns the offsets after the last record."""


class PartitionLoader(Service):
    """Loads states over a connection of its own; `accept_lost_offsets` counts deleted records as lost."""

    abstract = False

    def __init__(
        self,
        connection: SinkConnection,
        *,
        clock_us: Callable[[], int],
        accept_lost_offsets: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._connection = connection
        self._clock_us = clock_us
        self._accept_lost_offsets = accept_lost_offsets
        self._serial = asyncio.Lock()

    async def open_partitions(self, kafka: KafkaOffsets, partitions: set[TP]) -> dict[TP, PartitionState]:
        """Creates missing ledger rows and loads the states.

        Raises LedgerError where ledger and Kafka contradict each other, and what connecting and reading raise.
        """
        async with self._serial:
            try:
                connection = await self._connection.get()
                await self._ensure_ledger(connection, kafka, partitions)
                loaded: dict[TP, PartitionState] = {}
                for topic, numbers in _by_topic(partitions).items():
                    states = await load_states(connection, topic, numbers, self._clock_us())
                    loaded.update({TP(topic, number): state for number, state in states.items()})
                return loaded
            except Exception:
                self._connection.discard()
                raise

    async def load_state(self, connection: asyncpg.Connection, partition: TP) -> PartitionState | None:
        """Loads one state over the caller's connection; None when the ledger has no row for it."""
        loaded = await load_states(connection, partition.topic, [partition.partition], self._clock_us())
        return loaded.get(partition.partition)

    async def on_stop(self) -> None:
        """Closes the connection."""
        await self._connection.close()

    async def _ensure_ledger(self, connection: asyncpg.Connection, kafka: KafkaOffsets, partitions: set[TP]) -> None:
        """Creates missing ledger rows; raises LedgerError where ledger and Kafka contradict each other."""
        # A killed broker may never answer a request; the next attempt sends another.
        async with asyncio.timeout(_ANSWER_SECONDS):
            earliest = await kafka.earliest_offsets(*partitions)
            ends = await kafka.highwaters(*partitions)
        for topic, numbers in _by_topic(partitions).items():
            progress = await ledger.read_progress(connection, topic, numbers)
            for number in numbers:
                partition = TP(topic, number)
                at = progress.get(number)
                if at is None:
                    await ledger.open_partition(connection, topic, number, earliest[partition])
                elif at.next_offset > ends[partition]:
                    raise LedgerError(_ledger_is_ahead(partition, at.next_offset, ends[partition]))
                elif at.next_offset < earliest[partition]:
                    await self._lose(connection, partition, at.next_offset, earliest[partition])

    async def _lose(self, connection: asyncpg.Connection, partition: TP, next_offset: int, earliest: int) -> None:
        if not self._accept_lost_offsets:
            raise LedgerError(
                f"Kafka has deleted offsets {next_offset} to {earliest - 1} of {partition.topic}"
                f"[{partition.partition}] before they were consumed. Restore them, or set "
                "GLOBALMART_WORKER_ACCEPT_LOST_OFFSETS=true to go on and count them as lost."
            )
        await ledger.accept_loss(connection, partition.topic, partition.partition, earliest)
        logger.error("accepted the loss of %r up to offset %d", partition, earliest)


def _by_topic(partitions: set[TP]) -> dict[str, list[int]]:
    by_topic: defaultdict[str, list[int]] = defaultdict(list)
    for partition in sorted(partitions):
        by_topic[partition.topic].append(partition.partition)
    return by_topic


def _ledger_is_ahead(partition: TP, next_offset: int, end: int) -> str:
    return (
        f"the ledger has committed {partition.topic}[{partition.partition}] up to offset {next_offset}, but Kafka "
        f"ends at {end}: this is another or a wiped Kafka. Point GLOBALMART_KAFKA_BOOTSTRAP at the right one, or "
        "start with an empty database."
    )
