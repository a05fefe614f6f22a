"""Builds the chunk processor of each topic with its connections, transaction and committer."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from app.events.decoding import Decoder, TimeLimits
from app.events.rows import RowT
from app.events.topics.declaration import SourceTopic
from app.metrics import WorkerMetrics
from app.postgres.connections import connect_worker
from app.settings import Settings
from app.sink.anomaly_detector import Detector
from app.sink.chunk_transaction import ChunkTransaction
from app.sink.connection import SinkConnection
from app.sink.fault_points import FaultPoints
from app.sink.tables import STORED_TOPICS, StoredTopic
from app.stream.app import GlobalMartApp
from app.stream.commit_workers import CommitGroup, CommitWorkers
from app.stream.committer import ChunkCommitter
from app.stream.partitions import PartitionManager
from app.stream.processor import ChunkFinisher, ChunkProcessor

_SECOND_US: Final = 1_000_000


class ProcessorFactory:
    """Shared by the agents of one worker; `clock` is Unix time in seconds."""

    def __init__(
        self,
        app: GlobalMartApp,
        settings: Settings,
        partitions: PartitionManager,
        metrics: WorkerMetrics,
        faults: FaultPoints,
        clock: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.partitions = partitions
        self.metrics = metrics
        self.clock = clock
        self.limits = TimeLimits.of(
            settings.stream.future_tolerance_seconds, settings.stream.retention_days, settings.stream.earliest_timestamp
        )
        self._app = app
        self._faults = faults

    def clock_us(self) -> int:
        """Unix time in microseconds."""
        return int(self.clock() * _SECOND_US)

    def build(
        self, topic: SourceTopic[RowT], *, connections: int = 1, detector: Detector[RowT] | None = None
    ) -> ChunkProcessor[RowT]:
        """Builds the processor of a topic with its own connections, which start and stop with the app."""
        stream, stored = self.settings.stream, STORED_TOPICS[topic.name]
        transaction: ChunkTransaction[RowT] = ChunkTransaction(
            stored,
            pane=timedelta(seconds=stream.window_step_seconds),
            allowed_lateness_us=stream.allowed_lateness_seconds * _SECOND_US,
            faults=self._faults,
            detector=detector,
        )
        retry_max_seconds = self.settings.postgres.retry_max_seconds
        committer = ChunkCommitter(transaction, self.partitions, retry_max_seconds=retry_max_seconds)
        finisher = ChunkFinisher(committer, self.partitions, self.metrics, self.clock)
        commit_workers = self._commit_workers(stored, connections, finisher.finish)
        return ChunkProcessor(Decoder(topic, self.limits), commit_workers, self.partitions, self.metrics)

    def _commit_workers(self, stored: StoredTopic, connections: int, commit: CommitGroup) -> CommitWorkers:
        application = f"globalmart-worker {stored.name}"
        pool = [
            SinkConnection(lambda: connect_worker(self.settings.postgres, application), (stored.create_stage,))
            for _ in range(connections)
        ]
        commit_workers = CommitWorkers(pool, commit, capacity=connections * self.settings.kafka.max_poll_records)
        self._app.commit_workers[stored.name] = commit_workers
        self._app.add_dependency(commit_workers)
        return commit_workers
