"""The newest measurement of each of the shop's hosts, as gauges; how many there may be is capped."""

from collections.abc import Iterable
from datetime import datetime

from prometheus_client import Gauge

from app.events.rows import SystemMetricRow
from app.instruments import LABEL_CAP


class SystemGauges:
    """Shows the first 200 (host, component, metric) seen; later ones are stored, not shown."""

    def __init__(self, gauge: Gauge, cap: int = LABEL_CAP) -> None:
        self._gauge = gauge
        self._cap = cap
        self._newest: dict[tuple[str, str, str], datetime] = {}

    def show(self, rows: Iterable[SystemMetricRow]) -> None:
        """Follow stored rows, in any order of time: an older value never replaces a newer one."""
        for row in rows:
            name = (row.host, row.component, row.metric)
            newest = self._newest.get(name)
            if newest is None and len(self._newest) >= self._cap:
                continue
            if newest is None or row.timestamp > newest:
                self._newest[name] = row.timestamp
                self._gauge.labels(*name).set(row.value)
