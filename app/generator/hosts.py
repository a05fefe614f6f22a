"""The shop's hosts and their measurements."""

import math
from dataclasses import dataclass
from random import Random
from typing import Final

from app.generator.planned_event import FaultInjector, PlannedEvent
from app.topics import SYSTEM_METRICS

_HOSTS: Final = ("web-1", "web-2", "web-3", "db-1", "kafka-1")
_PERIOD_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class _Gauge:
    component: str
    metric: str
    base: float
    swing: float


_GAUGES: Final = (
    _Gauge("cpu", "usage_ratio", 0.45, 0.2),
    _Gauge("memory", "usage_ratio", 0.6, 0.1),
    _Gauge("disk", "free_bytes", 2.0e11, 1.0e10),
    _Gauge("network", "receive_bytes_per_second", 8.0e6, 4.0e6),
    _Gauge("service", "latency_seconds", 0.04, 0.02),
    _Gauge("service", "requests_per_second", 120.0, 60.0),
)


class Hosts:
    """Generates measurements of every gauge of every host in turn: a slow wave with noise."""

    __slots__ = ("_faults", "_next", "_rng", "_series")

    def __init__(self, faults: FaultInjector, rng: Random) -> None:
        self._faults = faults
        self._rng = rng
        self._series = [(host, gauge) for gauge in _GAUGES for host in _HOSTS]
        self._next = 0

    def measure(self, at_us: int) -> PlannedEvent:
        """Returns the next measurement, made at `at_us`."""
        host, gauge = self._series[self._next]
        self._next = (self._next + 1) % len(self._series)
        wave = math.sin(2 * math.pi * at_us / _PERIOD_US + len(host))
        noise = self._rng.random() - 0.5
        fields = {
            "host": host,
            "component": gauge.component,
            "metric": gauge.metric,
            "value": round(gauge.base + gauge.swing * (0.7 * wave + 0.6 * noise), 6),
        }
        late_us = self._faults.lateness_us()
        event = self._faults.inject(PlannedEvent(at_us, SYSTEM_METRICS, host, fields, late_us))
        if late_us:
            event.marks = (*event.marks, "late")
        return event
