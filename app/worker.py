"""The stream worker's composition root: `faust -A app.worker worker -l info`.

Importing this module builds nothing; Faust's command reads its attribute `app`.
"""

import gc
import time
from datetime import UTC, datetime
from typing import Any, Final

import uvloop
from faust.types import TP
from prometheus_client import CollectorRegistry

from agents import chunk_agent, system_metrics, transactions
from app.errors import SettingsError
from app.metrics import WorkerMetrics
from app.postgres.connections import connect_worker
from app.prometheus import register_process
from app.settings import Settings, load_settings
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.connection import SinkConnection
from app.sink.fault_points import FaultPoints, NoFaults
from app.sink.partition_state import PartitionState
from app.stream.app import GlobalMartApp, create_faust_app
from app.stream.health import WorkerHealth
from app.stream.health_port import HealthPort
from app.stream.heartbeat import Heartbeats
from app.stream.outbox import OutboxPublisher
from app.stream.partition_loader import PartitionLoader
from app.stream.partitions import PartitionManager
from app.stream.processor_factory import ProcessorFactory
from app.stream.start_checks import StartChecks
from app.stream.webhook import Webhook
from app.topics import SOURCES, TRANSACTIONS
from tables.live import LiveTables

_GC_THRESHOLD: Final = 100_000


class _TablesFollowStates:
    """Copies the states of the partitions of `transactions` to the live tables."""

    def __init__(self, tables: LiveTables) -> None:
        self._tables = tables

    def opened(self, partition: TP, state: PartitionState) -> None:
        """Adds the loaded state to the tables."""
        if partition.topic == TRANSACTIONS and state.sales is not None:
            self._tables.show(partition.partition, state.sales)

    def dropped(self, partition: TP) -> None:
        """Removes the partition from the tables."""
        if partition.topic == TRANSACTIONS:
            self._tables.hide(partition.partition)


def create_app(
    settings: Settings, *, faults: FaultPoints | None = None, registry: CollectorRegistry | None = None
) -> GlobalMartApp:
    """Returns a worker with its agents, tables and services; nothing runs or connects before it is started."""
    app = create_faust_app(settings.kafka, settings.worker, settings.general.var_dir)
    metrics = WorkerMetrics(registry or CollectorRegistry())
    register_process(metrics.registry, settings.general.var_dir)
    tables = LiveTables.create(app)
    checks = StartChecks(settings)
    port = HealthPort(
        settings.general.bind,
        settings.worker.metrics_port,
        metrics.registry,
        # Built below; the first request comes after the app has started.
        lambda: checks.waits_for or app.partitions.waits_for or health.waits_for,
    )
    app.add_dependency(port)
    app.add_dependency(checks)
    app.partitions = _partition_manager(app, settings, metrics, tables)
    factory = ProcessorFactory(app, settings, app.partitions, metrics, faults or NoFaults(), time.time)
    detector = AnomalyDetector(lambda: datetime.now(UTC))
    transactions.create_agent(app, factory, detector, tables)
    system_metrics.create_agent(app, factory)
    for topic in SOURCES.values():
        if topic.name not in app.agents:
            chunk_agent.create_agent(app, factory, topic)
    app.add_dependency(OutboxPublisher(settings, metrics))
    app.add_dependency(Webhook(settings.postgres, settings.fraud, metrics, time.time))
    health = WorkerHealth(app, settings, metrics, tables, time.time, port)
    app.add_dependency(health)
    heartbeat = SinkConnection(lambda: connect_worker(settings.postgres, "globalmart-worker heartbeat"))
    app.add_dependency(Heartbeats(heartbeat, metrics, lambda: health.lags))
    return app


def _partition_manager(
    app: GlobalMartApp, settings: Settings, metrics: WorkerMetrics, tables: LiveTables
) -> PartitionManager:
    loader = PartitionLoader(
        SinkConnection(lambda: connect_worker(settings.postgres, "globalmart-worker ledger")),
        clock_us=lambda: time.time_ns() // 1000,
        accept_lost_offsets=settings.worker.accept_lost_offsets,
    )
    app.add_dependency(loader)
    partitions = PartitionManager(
        app,
        loader,
        _TablesFollowStates(tables),
        metrics,
        clock=time.time,
        retry_max_seconds=settings.postgres.retry_max_seconds,
    )
    app.on_partitions_assigned.connect(partitions.on_assigned)
    app.on_partitions_revoked.connect(partitions.on_revoked)
    return partitions


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _tune_process()
    try:
        settings = load_settings()
    except SettingsError as error:
        raise SystemExit(f"settings:\n{error}") from None
    worker = globals()["app"] = create_app(settings)
    return worker


def _tune_process() -> None:
    """Collects garbage less often: chunks are thousands of short-lived tuples; the default costs a third of the CPU."""
    uvloop.install()
    gc.set_threshold(_GC_THRESHOLD, 20, 100)
