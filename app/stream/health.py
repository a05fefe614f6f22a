"""Health of a worker: the metrics port, live figures every second, and the watchdog.

The most reported fault of stream workers is a process that runs but no longer consumes. Here the process ends when
a partition has records beyond the ledger and no commit, nor an attempt at one, for too long. Its supervisor then
starts another.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.types import TP
from mode import Service
from mode.utils.logging import get_logger
from prometheus_client import Gauge

from app.domain.money import CENTS
from app.events.topics.system_metrics import SystemMetricRow
from app.kafka.consumer import ChunkConsumer
from app.metrics import WorkerMetrics
from app.prometheus import LABEL_CAP, CappedLabel
from app.settings import Settings
from app.stream.app import GlobalMartApp
from app.stream.health_port import HealthPort
from tables.live import LiveTables

PartitionT = TypeVar("PartitionT", bound=Hashable)
logger = get_logger(__name__)
_LAG_EVERY_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0


class ReplacingGauge:
    """A gauge that exports one state at a time: label values absent from a newer state are removed.

    It is never empty or half filled, so that a scrape at any moment reads each series of one state or the next.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._labels: set[tuple[str, ...]] = set()

    def show(self, state: Mapping[tuple[str, ...], float]) -> None:
        """Replaces the state; keys are label values in the order of the gauge's labels."""
        for labels, value in state.items():
            self._gauge.labels(*labels).set(value)
        for labels in self._labels.difference(state):
            self._gauge.remove(*labels)
        self._labels = set(state)


class SystemGauges:
    """Exports the first 200 (host, component, metric) received; later ones are stored, but not exported."""

    def __init__(self, gauge: Gauge, cap: int = LABEL_CAP) -> None:
        self._gauge = gauge
        self._cap = cap
        self._newest: dict[tuple[str, str, str], datetime] = {}

    def show(self, rows: Iterable[SystemMetricRow]) -> None:
        """Exports stored rows, in any order of time: an older value never replaces a newer one."""
        for row in rows:
            name = (row.host, row.component, row.metric)
            newest = self._newest.get(name)
            if newest is None and len(self._newest) >= self._cap:
                continue
            if newest is None or row.timestamp > newest:
                self._newest[name] = row.timestamp
                self._gauge.labels(*name).set(row.value)


class Position(NamedTuple):
    """Position of a partition: `next_offset` in the ledger, None until it is opened, and the records beyond it.

    `lag` counts the readable records, `held_back` those behind an open transaction.
    """

    next_offset: int | None
    lag: int
    held_back: int = 0


class Stall(NamedTuple, Generic[PartitionT]):
    """A partition that has not advanced although records wait."""

    partition: PartitionT
    seconds: float


@dataclass(slots=True)
class Watchdog(Generic[PartitionT]):
    """Records since when each partition has its position; times are seconds of one clock."""

    limit_seconds: float
    _since: dict[PartitionT, tuple[int | None, float]] = field(default_factory=dict)

    def stall(self, positions: Mapping[PartitionT, Position], now: float, tried_at: float) -> Stall[PartitionT] | None:
        """Returns the partition that has not advanced for the longest time, if that is longer than allowed.

        `tried_at` is the time of the last failed attempt: waiting for an unavailable store is no stall.
        """
        self._since = {partition: self._standing(partition, position, now) for partition, position in positions.items()}
        if not self._since:
            return None
        partition, (_, since) = min(self._since.items(), key=lambda item: item[1][1])
        seconds = now - max(since, tried_at)
        return Stall(partition, seconds) if seconds > self.limit_seconds else None

    def _standing(self, partition: PartitionT, position: Position, now: float) -> tuple[int | None, float]:
        former = self._since.get(partition)
        stands = former is not None and former[0] == position.next_offset and position.lag > 0
        return former if stands and former is not None else (position.next_offset, now)


class StalledWorkerError(RuntimeError):
    """Records wait in Kafka, and nothing was committed for longer than allowed."""


class WorkerHealth(Service):
    """Publishes metrics and detects stalls; `lags` are the last measured ones."""

    abstract = False

    def __init__(
        self,
        app: GlobalMartApp,
        settings: Settings,
        metrics: WorkerMetrics,
        tables: LiveTables,
        clock: Callable[[], float],
        port: HealthPort,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._app = app
        self._partitions = app.partitions
        self._tables = tables
        self._metrics = metrics
        self._clock = clock
        self._port = port
        self.lags: Mapping[TP, int] = {}
        self._kafka_answers = True
        # Another worker exports the partitions that were revoked here.
        self._exported_lags = ReplacingGauge(metrics.partition_lag)
        self._watermark_ages = ReplacingGauge(metrics.watermark_seconds)
        self._revenue_by_category = ReplacingGauge(metrics.live_revenue_by_category)
        self._revenue_by_country = ReplacingGauge(metrics.live_revenue_by_country)
        self._watchdog: Watchdog[TP] = Watchdog(settings.worker.watchdog_seconds)

    @property
    def waits_for(self) -> str:
        """The store that did not answer the last request; empty if it did."""
        return "" if self._kafka_answers else "Kafka"

    async def on_start(self) -> None:
        """Logs the URL of the metrics."""
        logger.info("metrics on %s/metrics", self._port.address)

    @Service.task
    async def _show_live_figures(self) -> None:
        async for _ in self.itertimer(1.0, name="live_figures"):
            now_us = int(self._clock() * 1_000_000)
            now_second = now_us // 1_000_000
            self._show_revenue(now_second)
            self._watermark_ages.show(
                {
                    (tp.topic, str(tp.partition)): (now_us - state.progress.watermark_us) / 1e6
                    for tp, state in list(self._partitions.items())
                    if state.progress.watermark_us is not None
                }
            )

    def _show_revenue(self, now_second: int) -> None:
        metrics = self._metrics
        self._tables.expire(now_second)
        self._revenue_by_category.show(_by_label(metrics.category_label, self._tables.category_cents(now_second)))
        self._revenue_by_country.show(_by_label(metrics.country_label, self._tables.country_cents(now_second)))
        metrics.active_users.set(self._tables.users())
        metrics.live_window_end_seconds.set(now_second)

    @Service.task
    async def _watch(self) -> None:
        async for _ in self.itertimer(_LAG_EVERY_SECONDS, name="watchdog"):
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    positions = await self._positions()
            except (KafkaError, TimeoutError) as error:
                logger.warning("the lag could not be read from Kafka: %r", error)
                self.lags, self._kafka_answers = {}, False
                continue
            except ConsumerStoppedError:
                # During a stop the client ends first. At any other time its end is an error of the worker.
                if self._app.should_stop:
                    return
                raise
            self._kafka_answers = True
            waiting = {tp: at.lag + at.held_back for tp, at in positions.items()}
            self.lags = {tp: records for tp, records in waiting.items() if positions[tp].next_offset is not None}
            self._exported_lags.show({(tp.topic, str(tp.partition)): records for tp, records in waiting.items()})
            await self._crash_if_stalled(positions)

    async def _positions(self) -> dict[TP, Position]:
        """Returns the position of every owned partition; one without a state counts from offset 0."""
        owned = self._partitions.owned
        if not owned:
            return {}
        consumer = cast(ChunkConsumer, self._app.consumer)
        ends = await consumer.highwaters(*owned)
        states = dict(self._partitions.items())
        ledger = {tp: states[tp].progress.next_offset for tp in ends.keys() & states.keys()}
        beyond = {tp: (at, ends[tp]) for tp, at in ledger.items() if at < ends[tp]}
        without_records = await consumer.without_records(beyond)
        seen = await consumer.seen_ends(owned)
        positions = {}
        for tp in owned & ends.keys():
            at = ledger.get(tp)
            lag = 0 if tp in without_records else max(0, ends[tp] - (at or 0))
            positions[tp] = Position(at, lag, max(0, seen.get(tp, 0) - ends[tp]))
        return positions

    async def _crash_if_stalled(self, positions: dict[TP, Position]) -> None:
        stall = self._watchdog.stall(positions, self._clock(), self._partitions.tried_at)
        if stall is not None:
            topic, number = stall.partition
            await self._app.crash(
                StalledWorkerError(f"records wait in {topic}[{number}], no commit for {stall.seconds:.0f} s")
            )


def _by_label(label: CappedLabel, cents_by_name: Mapping[str, int]) -> dict[tuple[str, ...], float]:
    """Converts cents by name to currency units by label; names beyond the cap are summed up."""
    cents: Tally[str] = Tally()
    for name, amount in cents_by_name.items():
        cents[label(name)] += amount
    return {(name,): amount / CENTS for name, amount in cents.items()}
