"""Newest measurements as gauges."""

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge

from app.events.topics.system_metrics import SystemMetricRow
from app.stream.health import SystemGauges

_NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def _row(host: str, seconds: int, value: float) -> SystemMetricRow:
    return SystemMetricRow(host, "cpu", "load", _NOON + timedelta(seconds=seconds), value, 0)


def _shown(registry: CollectorRegistry, host: str) -> float | None:
    return registry.get_sample_value("m", {"host": host, "component": "cpu", "metric": "load"})


def test_the_newest_value_stands_whatever_the_order() -> None:
    registry = CollectorRegistry()
    gauges = SystemGauges(Gauge("m", "m", ["host", "component", "metric"], registry=registry))
    gauges.show([_row("a", 5, 0.5), _row("a", 9, 0.9), _row("a", 7, 0.7), _row("b", 0, 0.1)])
    gauges.show([_row("a", 8, 0.8)])
    assert (_shown(registry, "a"), _shown(registry, "b")) == (0.9, 0.1)


def test_the_number_of_series_is_capped() -> None:
    registry = CollectorRegistry()
    gauge = Gauge("m", "m", ["host", "component", "metric"], registry=registry)
    gauges = SystemGauges(gauge, cap=2)
    gauges.show([_row("a", 0, 1.0), _row("b", 0, 2.0), _row("c", 0, 3.0), _row("a", 1, 4.0)])
    assert [_shown(registry, host) for host in "abc"] == [4.0, 2.0, None]
