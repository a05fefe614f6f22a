"""Planned events, not serialized yet, and the faults to inject into them."""

import math
from dataclasses import dataclass
from enum import IntEnum
from itertools import cycle
from random import Random
from typing import Any, Final

from app.generator.attacks_truth import Truth
from app.generator.shop import Weighted
from app.settings import GeneratorSettings
from app.topics import SYSTEM_METRICS

_HOLD_US: Final = 20_000_000
_HOSTS: Final = ("web-1", "web-2", "web-3", "db-1", "kafka-1")
#: Component, metric, mean value and swing of each gauge.
_GAUGES: Final = (
    ("cpu", "usage_ratio", 0.45, 0.2),
    ("memory", "usage_ratio", 0.6, 0.1),
    ("disk", "free_bytes", 2.0e11, 1.0e10),
    ("network", "receive_bytes_per_second", 8.0e6, 4.0e6),
    ("service", "latency_seconds", 0.04, 0.02),
    ("service", "requests_per_second", 120.0, 60.0),
)
_PERIOD_US: Final = 3_600_000_000


class Fault(IntEnum):
    """The faults; each event has at most one of them."""

    NONE = 0
    OUT_OF_ORDER = 1
    DUPLICATE = 2
    CONFLICTING = 3
    MALFORMED = 4
    FORGIVEN = 5


@dataclass(slots=True)
class PlannedEvent:
    """An event sent at `at_us` with a timestamp `delay_us` earlier.

    `fields` is the JSON object without its `timestamp`; `total_amount` is in integer cents. `marks` are the injected
    anomalies and lateness, counted when the event is sent. `truth` is there for orders of attacks and look-alikes.
    """

    at_us: int
    topic: str
    key: str
    fields: dict[str, Any]
    delay_us: int = 0
    fault: Fault = Fault.NONE
    marks: tuple[str, ...] = ()
    truth: Truth | None = None


class FaultInjector:
    """Draws the fault of each event and the lateness of each session, by the configured shares."""

    __slots__ = ("_faults", "_hold_us", "_late_share", "_lateness_us", "_rng")

    def __init__(self, settings: GeneratorSettings, lateness_us: int, pace: float, rng: Random) -> None:
        """A late event exceeds the allowed `lateness_us` by at least half.

        `pace` is 1, or less for compressed sessions; the delay of events out of order is scaled by it.
        """
        shares = (
            settings.out_of_order_share,
            settings.duplicate_share,
            settings.conflicting_share,
            settings.malformed_share,
            settings.forgiven_share,
        )
        self._faults = Weighted((1.0 - min(1.0, sum(shares)), *shares))
        self._late_share = settings.late_share
        self._lateness_us = max(1_000_000, lateness_us)
        self._hold_us = _HOLD_US * pace
        self._rng = rng

    def lateness_us(self) -> int:
        """Returns 0, or the delay of all events of a session, as of a device without network."""
        if self._rng.random() >= self._late_share:
            return 0
        return int(self._lateness_us * (1.5 + self._rng.expovariate(1.0)))

    def inject(self, event: PlannedEvent) -> PlannedEvent:
        """Draws the fault of an event; one out of order is sent 1 to 20 s after its timestamp."""
        event.fault = Fault(self._faults.draw(self._rng.random()))
        if event.fault is Fault.OUT_OF_ORDER:
            held_us = int(self._hold_us * (0.05 + 0.95 * self._rng.random()))
            event.at_us += held_us
            event.delay_us += held_us
            event.marks = (*event.marks, "out_of_order")
        return event


class Hosts:
    """Generates measurements of every gauge of every host in turn: a slow wave with noise."""

    def __init__(self, faults: FaultInjector, rng: Random) -> None:
        self._faults = faults
        self._rng = rng
        self._series = cycle((host, *gauge) for gauge in _GAUGES for host in _HOSTS)

    def measure(self, at_us: int) -> PlannedEvent:
        """Returns the next measurement, made at `at_us`."""
        host, component, metric, base, swing = next(self._series)
        wave = math.sin(2 * math.pi * at_us / _PERIOD_US + len(host))
        noise = self._rng.random() - 0.5
        value = round(base + swing * (0.7 * wave + 0.6 * noise), 6)
        fields = {"host": host, "component": component, "metric": metric, "value": value}
        late_us = self._faults.lateness_us()
        event = self._faults.inject(PlannedEvent(at_us, SYSTEM_METRICS, host, fields, late_us))
        if late_us:
            event.marks = (*event.marks, "late")
        return event
