"""Gauges whose series come and go: partitions, categories, countries."""

from collections.abc import Mapping

from prometheus_client import Gauge


class Shown:
    """A gauge that shows one state at a time: label values that a newer state does not name are removed.

    Never empty or half filled in between, so that a scrape at any moment sees each series of one state or the next.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._labels: set[tuple[str, ...]] = set()

    def show(self, state: Mapping[tuple[str, ...], float]) -> None:
        """Replace the state; keys are label values in the order of the gauge's labels."""
        for labels, value in state.items():
            self._gauge.labels(*labels).set(value)
        for labels in self._labels.difference(state):
            self._gauge.remove(*labels)
        self._labels = set(state)
