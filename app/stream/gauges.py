"""Gauges whose series come and go: partitions, categories, countries, and the shop's hosts."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from prometheus_client import Gauge

from app.events.rows import SystemMetricRow
from app.prometheus import LABEL_CAP


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
