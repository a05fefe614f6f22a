"""The stream runtime of one worker: builds the flows and answers Faust's rebalances."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from aiokafka.errors import ConsumerStoppedError
from faust.types import TP
from mode.utils.logging import get_logger

from app.events.decoding import Decoder, TimeLimits
from app.events.rows import RowT
from app.kafka.chunks import Chunk
from app.kafka.consumer import ChunkConsumer
from app.metrics import WorkerMetrics
from app.postgres.connections import connect_worker
from app.settings import Settings
from app.sink.anomaly_detector import Detector
from app.sink.chunk_slice import CommitResult
from app.sink.chunk_transaction import ChunkTransaction
from app.sink.connection import SinkConnection
from app.sink.fault_points import FaultPoints
from app.sink.partition_state import PartitionState
from app.sink.tables import StoredTopic
from app.stream.app import GlobalMartApp
from app.stream.commit_workers import CommitWorkers
from app.stream.committer import ChunkCommitter
from app.stream.partitions import Partitions
from app.stream.processor import ChunkProcessor
from app.stream.record_metrics import record_result

logger = get_logger(__name__)

_SECOND_US = 1_000_000


class StreamRuntime:
    """Shared by the agents of one worker; `clock` gives Unix time in seconds."""

    def __init__(
        self,
        app: GlobalMartApp,
        settings: Settings,
        partitions: Partitions,
        metrics: WorkerMetrics,
        faults: FaultPoints,
        clock: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.clock = clock
        stream = settings.stream
        self.limits = TimeLimits.of(stream.future_tolerance_seconds, stream.retention_days, stream.earliest_timestamp)
        self.tried_at = 0.0
        self._assigned = False
        self._app = app
        self._partitions = partitions
        self._faults = faults
        app.on_partitions_assigned.connect(self._on_assigned)
        app.on_partitions_revoked.connect(self._on_revoked)

    def clock_us(self) -> int:
        """Unix time in microseconds."""
        return int(self.clock() * _SECOND_US)

    @property
    def consumer(self) -> ChunkConsumer:
        """The consumer of the running app."""
        return cast(ChunkConsumer, self._app.consumer)

    @property
    def waits_for(self) -> str:
        """What it needs before it consumes all that is its own; empty when nothing is missing."""
        if not self._assigned:
            return "its share of the partitions"
        owned = self._partitions.owned
        loading = sum(self._partitions.get(partition) is None for partition in owned)
        return f"the state of {loading} of {len(owned)} partitions" if loading else ""

    def processor(
        self,
        stored: StoredTopic,
        decoder: Decoder[RowT],
        *,
        connections: int = 1,
        detector: Detector[RowT] | None = None,
        applied: Callable[[PartitionState, CommitResult[RowT]], None] = lambda state, result: None,
    ) -> ChunkProcessor[RowT]:
        """Build the flow of a topic with its own connections; they are part of the app's life."""
        commit_workers = self._commit_workers(stored, connections)
        transaction: ChunkTransaction[RowT] = ChunkTransaction(
            stored,
            pane=timedelta(seconds=self.settings.stream.window_step_seconds),
            allowed_lateness_us=self.settings.stream.allowed_lateness_seconds * _SECOND_US,
            faults=self._faults,
            detector=detector,
        )

        def report_and_apply(state: PartitionState, result: CommitResult[RowT]) -> None:
            record_result(self.metrics, stored.name, result)
            if self._partitions.holds(TP(stored.name, result.partition), state):
                applied(state, result)

        committer = ChunkCommitter(
            transaction,
            self._partitions,
            is_current=self._is_current,
            applied=report_and_apply,
            failed=lambda error: self._failed(stored.name, error),
            retry_max_seconds=self.settings.postgres.retry_max_seconds,
        )
        return ChunkProcessor(
            decoder,
            commit_workers,
            committer,
            is_current=self._is_current,
            reopen=self._reopen,
            metrics=self.metrics,
            clock=self.clock,
        )

    def _commit_workers(self, stored: StoredTopic, connections: int) -> CommitWorkers:
        application = f"globalmart-worker {stored.name}"
        pool = [
            SinkConnection(lambda: connect_worker(self.settings.postgres, application), (stored.create_stage,))
            for _ in range(connections)
        ]
        commit_workers = CommitWorkers(pool, self._app.crash)
        self._app.commit_workers[stored.name] = commit_workers
        self._app.add_dependency(commit_workers)
        return commit_workers

    def _is_current(self, chunk: Chunk) -> bool:
        return self.consumer.is_current(chunk)

    def _failed(self, topic: str, error: str) -> None:
        self._tried()
        self.metrics.sink_failures.labels(topic, error).inc()

    def _tried(self) -> None:
        """An attempt at a commit or at opening partitions: the worker waits for a store and is not stuck."""
        self.tried_at = self.clock()

    # --- rebalances ---

    async def _on_revoked(self, sender: Any, revoked: set[TP], **_: Any) -> None:
        self._assigned = False
        self._partitions.assign(())

    async def _on_assigned(self, sender: Any, assigned: set[TP], **_: Any) -> None:
        self._assigned = True
        self._partitions.assign(assigned)
        self.consumer.when_deleted(self._reopen)
        if assigned:
            self._open(assigned)

    def _reopen(self, partition: TP) -> None:
        """The ledger stands elsewhere than the consumer thought: ask it again."""
        logger.warning("%r is opened again from the ledger", partition)
        self.consumer.pause(partition)
        self._partitions.drop(partition)
        self._open({partition})

    def _open(self, partitions: set[TP]) -> None:
        generation = self._app.consumer_generation_id
        self._tried()

        def wanted() -> bool:
            self._tried()
            return self._app.consumer_generation_id == generation and not self._app.should_stop

        async def opening() -> None:
            try:
                await self._partitions.open(self.consumer, partitions, wanted)
            except asyncio.CancelledError:
                raise
            except ConsumerStoppedError as error:
                if not self._app.should_stop:
                    await self._app.crash(error)
            except Exception as error:  # noqa: BLE001 - nothing would ever be fetched again
                await self._app.crash(error)

        self._app.add_future(opening())
