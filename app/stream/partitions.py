"""The partitions that this worker owns, with their states.

Opening reads the ledger and the state, checks that Kafka still holds the next offset, and only then
resumes the consumer. A state is dropped after any failed transaction and when its partition is revoked.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

import asyncpg
from aiokafka.errors import KafkaError
from faust.types import TP
from mode.utils.logging import get_logger

from app.errors import LedgerError
from app.sink import ledger
from app.sink.connection import SinkConnection
from app.sink.failures import Failure, classify
from app.sink.partition_state import PartitionState
from app.stream.backoff import Backoff
from app.stream.state_loader import load_states

logger = get_logger(__name__)

_ANSWER_SECONDS: Final = 10.0


class PartitionSource(Protocol):
    """The methods of the Kafka consumer that opening a partition uses."""

    def pause(self, partition: TP) -> None:
        """Stops fetching the partition."""

    def resume_at(self, partition: TP, offset: int) -> None:
        """Fetches the partition from the offset on."""

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Returns the first offsets that Kafka holds."""

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Returns the offsets after the last record."""


class StateListener(Protocol):
    """Receives each state that becomes valid or invalid, so that the tables follow it."""

    def opened(self, partition: TP, state: PartitionState) -> None:
        """The state was loaded."""

    def dropped(self, partition: TP) -> None:
        """The state is no longer valid here."""


class Partitions:
    """States of the assigned partitions."""

    def __init__(
        self,
        connection: SinkConnection,
        listener: StateListener,
        *,
        clock_us: Callable[[], int],
        retry_max_seconds: float,
        accept_lost_offsets: bool,
    ) -> None:
        self._connection = connection
        self._listener = listener
        self._clock_us = clock_us
        self._retry_max_seconds = retry_max_seconds
        self._accept_lost_offsets = accept_lost_offsets
        self._owned: frozenset[TP] = frozenset()
        self._states: dict[TP, PartitionState] = {}
        self._serial = asyncio.Lock()

    @property
    def owned(self) -> frozenset[TP]:
        """The partitions assigned to this worker, opened or not."""
        return self._owned

    def get(self, partition: TP) -> PartitionState | None:
        """The state, unless it was dropped or not loaded yet."""
        return self._states.get(partition)

    def items(self) -> Iterable[tuple[TP, PartitionState]]:
        """All valid states."""
        return self._states.items()

    def assign(self, partitions: Iterable[TP]) -> None:
        """Replaces the owned partitions and drops every state: other workers may have written since."""
        self._owned = frozenset(partitions)
        for partition in list(self._states):
            self.drop(partition)

    def holds(self, partition: TP, state: PartitionState) -> bool:
        """Whether this is the valid state; a chunk from before a rebalance holds an older one."""
        return self._states.get(partition) is state

    def drop(self, partition: TP) -> None:
        """Drops the state: it may differ from the ledger."""
        if self._states.pop(partition, None) is not None:
            self._listener.dropped(partition)

    async def reload(self, connection: asyncpg.Connection, partition: TP) -> PartitionState | None:
        """Reads one partition's state again; None when the ledger has no row for it."""
        self.drop(partition)
        loaded = await load_states(connection, partition.topic, [partition.partition], self._clock_us())
        state = loaded.get(partition.partition)
        if state is not None:
            self._install(partition, state)
        return state

    async def open(self, source: PartitionSource, partitions: set[TP], wanted: Callable[[], bool]) -> None:
        """Loads the partitions and resumes them; retries as long as `wanted` returns true."""
        backoff = Backoff(self._retry_max_seconds)
        while wanted():
            try:
                async with self._serial:
                    await self._open_once(source, partitions, wanted)
                return
            except Exception as error:
                self._connection.discard()
                if classify(error) is not Failure.STORE and not isinstance(error, KafkaError):
                    raise
                logger.warning("PostgreSQL or Kafka is unavailable, partitions stay paused, retrying: %r", error)
            await backoff.pause()

    async def close(self) -> None:
        """Closes the connection used for loading."""
        await self._connection.close()

    async def _open_once(self, source: PartitionSource, partitions: set[TP], wanted: Callable[[], bool]) -> None:
        connection = await self._connection.get()
        await self._ensure_ledger(connection, source, partitions)
        loaded: dict[TP, PartitionState] = {}
        for topic, numbers in _by_topic(partitions).items():
            states = await load_states(connection, topic, numbers, self._clock_us())
            loaded.update({TP(topic, number): state for number, state in states.items()})
        if not wanted():
            return
        for partition, state in loaded.items():
            if self._install(partition, state):
                source.resume_at(partition, state.progress.next_offset)

    async def _ensure_ledger(
        self, connection: asyncpg.Connection, source: PartitionSource, partitions: set[TP]
    ) -> None:
        """Creates missing ledger rows; raises LedgerError where ledger and Kafka contradict each other."""
        # A killed broker may never answer a request; the next attempt sends another.
        async with asyncio.timeout(_ANSWER_SECONDS):
            earliest = await source.earliest_offsets(*partitions)
            ends = await source.highwaters(*partitions)
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

    def _install(self, partition: TP, state: PartitionState) -> bool:
        """Makes the state valid, unless the partition was revoked while it was loaded."""
        if partition not in self._owned:
            return False
        self._states[partition] = state
        self._listener.opened(partition, state)
        return True


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
