"""The partitions that this worker owns, with their states: the one object a chunk's path depends on.

Opening loads the states and only then resumes the consumer. A state is dropped after any failed transaction and
when its partition is revoked.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

import asyncpg
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.types import TP
from mode.utils.logging import get_logger

from app.kafka.chunks import Chunk
from app.metrics import WorkerMetrics
from app.sink.chunk_slice import CommitResult
from app.sink.failures import Failure, classify
from app.sink.partition_state import PartitionState
from app.stream.backoff import Backoff
from app.stream.partition_loader import KafkaOffsets, PartitionLoader
from app.stream.record_metrics import record_result

logger = get_logger(__name__)

#: Receives the rows of a committed slice while the partition's state is valid.
Follower = Callable[[PartitionState, CommitResult[Any]], None]


class ChunkSource(KafkaOffsets, Protocol):
    """The methods of the Kafka consumer that partitions use."""

    def is_current(self, chunk: Chunk) -> bool:
        """Whether the chunk belongs to the present assignment and no seek came after its fetch."""

    def pause(self, partition: TP) -> None:
        """Stops fetching the partition."""

    def resume_at(self, partition: TP, offset: int) -> None:
        """Fetches the partition from the offset on."""


class StreamApp(Protocol):
    """The properties and methods of the Faust app that partitions use."""

    consumer: Any
    consumer_generation_id: int
    should_stop: bool

    def add_future(self, coroutine: Awaitable[None], /) -> Any:
        """Runs the coroutine until the app stops."""

    async def crash(self, reason: BaseException) -> None:
        """Stops the worker with an error."""


class StateListener(Protocol):
    """Receives each state that becomes valid or invalid, so that the tables follow it."""

    def opened(self, partition: TP, state: PartitionState) -> None:
        """The state was loaded."""

    def dropped(self, partition: TP) -> None:
        """The state is no longer valid here."""


class PartitionManager:
    """Opens and drops partitions as Faust assigns them, and answers whether a chunk or a state is still valid.

    `clock` is Unix time in seconds. `tried_at` is when a store was last tried: a worker that waits is not stuck.
    """

    def __init__(
        self,
        app: StreamApp,
        loader: PartitionLoader,
        listener: StateListener,
        metrics: WorkerMetrics,
        *,
        clock: Callable[[], float],
        retry_max_seconds: float,
    ) -> None:
        self._app = app
        self._loader = loader
        self._listener = listener
        self._metrics = metrics
        self._clock = clock
        self._retry_max_seconds = retry_max_seconds
        self._followers: dict[str, Follower] = {}
        self._owned: frozenset[TP] = frozenset()
        self._states: dict[TP, PartitionState] = {}
        self._is_assigned = False
        self.tried_at = 0.0

    @property
    def owned(self) -> frozenset[TP]:
        """The partitions assigned to this worker, opened or not."""
        return self._owned

    @property
    def waits_for(self) -> str:
        """What is missing before all assigned partitions are consumed; empty if nothing."""
        if not self._is_assigned:
            return "the assignment of partitions"
        loading = len(self._owned - self._states.keys())
        return f"the state of {loading} of {len(self._owned)} partitions" if loading else ""

    def items(self) -> Iterable[tuple[TP, PartitionState]]:
        """All valid states."""
        return self._states.items()

    def follow(self, topic: str, follower: Follower) -> None:
        """Calls the follower after each commit of the topic."""
        self._followers[topic] = follower

    # --- the path of a chunk ---

    def is_current(self, chunk: Chunk) -> bool:
        """Whether this worker may still commit the chunk."""
        source: ChunkSource = self._app.consumer
        return source.is_current(chunk)

    async def state(self, connection: asyncpg.Connection, partition: TP) -> PartitionState:
        """Returns the valid state, loaded again where it was dropped; raises LookupError without a ledger row."""
        state = self._states.get(partition)
        if state is None:
            state = await self._loader.load_state(connection, partition)
            if state is None:
                raise LookupError(f"{partition.topic}[{partition.partition}] has no row in the ledger")
            self._install(partition, state)
        return state

    def apply(self, topic: str, state: PartitionState, result: CommitResult[Any]) -> None:
        """Moves a state past a committed slice and counts its records.

        A chunk from before a rebalance holds a state that is no longer valid: live tables do not follow it.
        """
        state.progress = result.progress
        record_result(self._metrics, topic, result)
        follower = self._followers.get(topic)  # most topics have no live table
        if follower is not None and self._states.get(TP(topic, result.partition)) is state:
            follower(state, result)

    def record_failure(self, topic: str, error: str) -> None:
        """Counts a failed commit that will be retried."""
        self._tried()
        self._metrics.sink_failures.labels(topic, error).inc()

    def drop(self, partition: TP) -> None:
        """Drops the state: it may differ from the ledger."""
        if self._states.pop(partition, None) is not None:
            self._listener.dropped(partition)

    def reopen(self, partition: TP) -> None:
        """Reads the ledger again: its next offset is not the one that the consumer fetched."""
        logger.warning("%r is reopened from the ledger", partition)
        self._app.consumer.pause(partition)
        self.drop(partition)
        self._start_opening({partition})

    # --- rebalances ---

    async def on_revoked(self, sender: Any, revoked: set[TP], **_: Any) -> None:
        """Drops every state: under the eager protocol all partitions go."""
        self._is_assigned = False
        self.assign(())

    async def on_assigned(self, sender: Any, assigned: set[TP], **_: Any) -> None:
        """Opens the assigned partitions in the background: they stay paused until their states are loaded."""
        self._is_assigned = True
        self.assign(assigned)
        if assigned:
            self._start_opening(assigned)

    def assign(self, partitions: Iterable[TP]) -> None:
        """Replaces the owned partitions and drops every state: other workers may have written since."""
        self._owned = frozenset(partitions)
        for partition in list(self._states):
            self.drop(partition)

    def _start_opening(self, partitions: set[TP]) -> None:
        self._tried()
        self._app.add_future(self._open_or_crash(partitions, self._app.consumer_generation_id))

    async def _open_or_crash(self, partitions: set[TP], generation: int) -> None:
        try:
            await self._open(partitions, generation)
        except ConsumerStoppedError as error:
            if not self._app.should_stop:
                await self._app.crash(error)
        except Exception as error:  # noqa: BLE001 - nothing would ever be fetched again
            await self._app.crash(error)

    async def _open(self, partitions: set[TP], generation: int) -> None:
        """Loads the partitions and resumes them; retries while a store is unavailable and no rebalance came."""
        source: ChunkSource = self._app.consumer
        backoff = Backoff(self._retry_max_seconds)
        while self._is_wanted(generation):
            try:
                loaded = await self._loader.open_partitions(source, partitions)
            except Exception as error:
                if classify(error) is not Failure.STORE and not isinstance(error, KafkaError):
                    raise
                logger.warning("PostgreSQL or Kafka is unavailable, partitions stay paused, retrying: %r", error)
            else:
                self._resume(source, loaded, generation)
                return
            await backoff.pause()

    def _resume(self, source: ChunkSource, loaded: Mapping[TP, PartitionState], generation: int) -> None:
        if not self._is_wanted(generation):
            return
        for partition, state in loaded.items():
            if self._install(partition, state):
                source.resume_at(partition, state.progress.next_offset)

    def _is_wanted(self, generation: int) -> bool:
        self._tried()
        return self._app.consumer_generation_id == generation and not self._app.should_stop

    def _install(self, partition: TP, state: PartitionState) -> bool:
        """Makes the state valid, unless the partition was revoked while it was loaded."""
        if partition not in self._owned:
            return False
        self._states[partition] = state
        self._listener.opened(partition, state)
        return True

    def _tried(self) -> None:
        self.tried_at = self._clock()
