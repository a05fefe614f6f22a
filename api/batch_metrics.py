"""The nightly batch in the API's metrics: the file its last run left in the data folder, and the run's age.

The batch is a process of minutes a night, so nobody could scrape it. It leaves a file; whoever shares the folder
with it shows that file, at every scrape anew.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_LAST_SUCCESS: Final = "globalmart_batch_last_success_timestamp_seconds"
_AGE: Final = "globalmart_batch_age_seconds"


class BatchCollector(Collector):
    """Shows the batch's metrics; nothing before its first run. `clock` gives Unix seconds."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance: the file says what there is."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """The file as it is now, and the age of each last success."""
        if not self._path.exists():
            return
        for family in text_string_to_metric_families(self._path.read_text(encoding="utf-8")):
            yield family
            if family.name == _LAST_SUCCESS:
                yield self._ages(family)

    def _ages(self, successes: Metric) -> Metric:
        ages = GaugeMetricFamily(_AGE, "Time since the last published run ended.", labels=["job"])
        for sample in successes.samples:
            ages.add_metric([sample.labels["job"]], self._clock() - sample.value)
        return ages
