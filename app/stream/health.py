"""Health of a worker: metrics on a port of its own, live figures every second, and the watchdog.

The most reported fault of stream workers is one that is up and no longer consumes. Here a partition with records
beyond the ledger, without a commit or an attempt at one for too long, ends the process, and its supervisor starts
another.
"""

import asyncio
import errno
from collections import Counter as Tally
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust.types import TP
from mode import Service
from mode.utils.logging import get_logger
from prometheus_client import start_http_server

from app.kafka.consumer import ChunkConsumer
from app.metrics import WorkerMetrics
from app.prometheus import CappedLabel
from app.settings import Settings
from app.stream.app import GlobalMartApp
from app.stream.gauges import ReplacingGauge
from app.stream.watchdog import Position, Watchdog
from tables.live import LiveTables

logger = get_logger(__name__)

_PORTS_TRIED: Final = 100
_LAG_EVERY_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0


class StalledWorkerError(RuntimeError):
    """Records wait in Kafka and nothing has happened for longer than allowed."""


class WorkerHealth(Service):
    """Publishes metrics and watches for a stall; `lags` is what it saw last."""

    abstract = False

    def __init__(
        self,
        app: GlobalMartApp,
        settings: Settings,
        metrics: WorkerMetrics,
        tables: LiveTables,
        clock: Callable[[], float],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._app = app
        self._settings = settings
        self._partitions = app.partitions
        self._tables = tables
        self._metrics = metrics
        self._clock = clock
        self.lags: Mapping[TP, int] = {}
        # Partitions that were given away are another worker's to show.
        self._shown_lags = ReplacingGauge(metrics.partition_lag)
        self._watermark_ages = ReplacingGauge(metrics.watermark_seconds)
        self._revenue_by_category = ReplacingGauge(metrics.live_revenue_by_category)
        self._revenue_by_country = ReplacingGauge(metrics.live_revenue_by_country)
        self._server: Any = None
        self._watchdog: Watchdog[TP] = Watchdog(settings.worker.watchdog_seconds)

    async def on_start(self) -> None:
        """Serve metrics on the first free port from the configured one on."""
        settings = self._settings
        first = settings.worker.metrics_port
        for port in range(first, first + _PORTS_TRIED):
            try:
                self._server, _ = start_http_server(port, settings.general.bind, self._metrics.registry)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            logger.info("metrics on http://%s:%d/metrics", settings.general.bind, port)
            return
        raise OSError(f"no free port for metrics from {first} to {first + _PORTS_TRIED - 1}")

    async def on_stop(self) -> None:
        """Close the metrics port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

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
                logger.warning("Kafka does not tell the lag: %r", error)
                self.lags = {}
                continue
            except ConsumerStoppedError:
                # On a stop the client ends first. Where nothing stops, its end is the worker's.
                if self._app.should_stop:
                    return
                raise
            waiting = {tp: at.lag + at.held_back for tp, at in positions.items()}
            self.lags = {tp: records for tp, records in waiting.items() if positions[tp].next_offset is not None}
            self._shown_lags.show({(tp.topic, str(tp.partition)): records for tp, records in waiting.items()})
            await self._crash_if_stalled(positions)

    async def _positions(self) -> dict[TP, Position]:
        """Where every partition of this worker stands; one without a state has everything before it."""
        owned = self._partitions.owned
        if not owned:
            return {}
        consumer = cast(ChunkConsumer, self._app.consumer)
        ends = await consumer.highwaters(*owned)
        states = dict(self._partitions.items())
        ledger = {tp: states[tp].progress.next_offset for tp in ends.keys() & states.keys()}
        beyond = {tp: (at, ends[tp]) for tp, at in ledger.items() if at < ends[tp]}
        read_out = await consumer.without_records(beyond)
        seen = await consumer.seen_ends(owned)
        positions = {}
        for tp in owned & ends.keys():
            at = ledger.get(tp)
            lag = 0 if tp in read_out else max(0, ends[tp] - (at or 0))
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
    """Currency units by label; names beyond the cap are added up."""
    cents: Tally[str] = Tally()
    for name, amount in cents_by_name.items():
        cents[label(name)] += amount
    return {(name,): amount / 100 for name, amount in cents.items()}
