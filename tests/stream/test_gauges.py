"""Gauges show one state at a time."""

from prometheus_client import CollectorRegistry, Gauge

from app.stream.health import ReplacingGauge


def _series(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    (family,) = registry.collect()
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def test_a_revoked_partition_is_shown_no_longer() -> None:
    registry = CollectorRegistry()
    shown = ReplacingGauge(Gauge("lag", "Text.", ["topic", "partition"], registry=registry))
    shown.show({("transactions", "0"): 5, ("transactions", "1"): 7})
    shown.show({("transactions", "1"): 6, ("cart_events", "1"): 0})
    assert _series(registry) == {("transactions", "1"): 6, ("cart_events", "1"): 0}
    shown.show({})
    assert _series(registry) == {}
