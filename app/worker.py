"""The stream worker's composition root: `faust -A app.worker worker -l info`.

Nothing is built when this module is imported; Faust's command asks it for `app`.
"""

import gc
import time
from datetime import UTC, datetime
from typing import Any, Final

import uvloop
from faust.types import TP
from prometheus_client import CollectorRegistry

from agents import cart_events, product_views, system_metrics, transactions
from app.domain.anomalies import standard_rules
from app.errors import SettingsError
from app.metrics import WorkerMetrics
from app.postgres.connections import connect_worker
from app.prometheus import register_process
from app.settings import AnomalySettings, Settings, load_settings
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.connection import SinkConnection
from app.sink.fault_points import FaultPoints, NoFaults
from app.sink.partition_state import PartitionState
from app.stream.app import GlobalMartApp, create_faust_app
from app.stream.health import WorkerHealth
from app.stream.health_port import HealthPort
from app.stream.heartbeat import Heartbeats
from app.stream.outbox import OutboxPublisher
from app.stream.partitions import Partitions
from app.stream.runtime import StreamRuntime
from app.stream.start_checks import StartChecks
from app.topics import TRANSACTIONS
from tables.live import LiveTables

_GC_THRESHOLD: Final = 100_000


class _TablesFollowStates:
    """Shows the states of transaction partitions in the live tables."""

    def __init__(self, tables: LiveTables) -> None:
        self._tables = tables

    def opened(self, partition: TP, state: PartitionState) -> None:
        """Show the loaded state."""
        if partition.topic == TRANSACTIONS and state.sales is not None:
            self._tables.show(partition.partition, state.sales)

    def dropped(self, partition: TP) -> None:
        """Show it no longer."""
        if partition.topic == TRANSACTIONS:
            self._tables.hide(partition.partition)


def create_app(
    settings: Settings, *, faults: FaultPoints | None = None, registry: CollectorRegistry | None = None
) -> GlobalMartApp:
    """A worker with its agents, tables and services; nothing runs or connects before it is started."""
    app = create_faust_app(settings.kafka, settings.worker, settings.general.var_dir)
    metrics = WorkerMetrics(registry or CollectorRegistry())
    register_process(metrics.registry, settings.general.var_dir)
    tables = LiveTables.create(app)
    checks = StartChecks(settings)
    port = HealthPort(
        settings.general.bind,
        settings.worker.metrics_port,
        metrics.registry,
        # Made below; the first question comes when the app starts.
        lambda: checks.waits_for or runtime.waits_for or health.waits_for,
    )
    app.add_dependency(port)
    app.add_dependency(checks)
    partitions = app.partitions = Partitions(
        SinkConnection(lambda: connect_worker(settings.postgres, "globalmart-worker ledger")),
        _TablesFollowStates(tables),
        clock_us=lambda: time.time_ns() // 1000,
        retry_max_seconds=settings.postgres.retry_max_seconds,
        accept_lost_offsets=settings.worker.accept_lost_offsets,
    )
    runtime = StreamRuntime(app, settings, partitions, metrics, faults or NoFaults(), time.time)
    transactions.create_agent(app, runtime, _detector(settings.anomaly), tables)
    product_views.create_agent(app, runtime)
    cart_events.create_agent(app, runtime)
    system_metrics.create_agent(app, runtime)
    app.add_dependency(OutboxPublisher(settings, metrics))
    health = WorkerHealth(app, runtime, partitions, tables, port)
    app.add_dependency(health)
    heartbeat = SinkConnection(lambda: connect_worker(settings.postgres, "globalmart-worker heartbeat"))
    app.add_dependency(Heartbeats(heartbeat, metrics, lambda: health.lags))
    return app


def _detector(settings: AnomalySettings) -> AnomalyDetector:
    rules = standard_rules(
        high_value_cents=int(settings.high_value * 100),
        unusual_quantity=settings.unusual_quantity,
        rapid_transactions=settings.rapid_transactions,
    )
    return AnomalyDetector(rules, lambda: datetime.now(UTC))


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
    """Chunks are thousands of short-lived tuples: looking for cycles among every 700 costs a third of the CPU."""
    uvloop.install()
    gc.set_threshold(_GC_THRESHOLD, 20, 100)
