"""Reads the worker's live tables from its metrics page."""

import time
from datetime import UTC, datetime
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from app.patience import PATIENCE_SECONDS
from app.reconcile.stream.sales import LiveFigures
from compose.demo.latency import read_metrics

_WINDOW_END: Final = "globalmart_live_window_end_seconds"
_PREFIX: Final = "globalmart_live_"
_POLL_SECONDS: Final = 0.2
_TABLES: Final = ("revenue_by_category", "revenue_by_country")


def read_live_figures(port: int) -> LiveFigures | None:
    """Returns cents per table and name at the second of the worker's last update; None if it does not answer."""
    page = read_metrics(port)
    return None if page is None else parse_live_figures(page)


def read_settled_live_figures(port: int) -> LiveFigures | None:
    """Returns the same once two reads agree on a second that began after this call.

    A worker adds a chunk to its tables only after the commit, and updates its gauges one by one, so a single
    read may miss committed records or mix two seconds.
    """
    called, deadline = datetime.now(UTC), time.monotonic() + PATIENCE_SECONDS
    before, found = None, read_live_figures(port)
    while found is not None and time.monotonic() < deadline:
        if found == before and found.now > called:
            break
        time.sleep(_POLL_SECONDS)
        before, found = found, read_live_figures(port)
    return found


def parse_live_figures(page: str) -> LiveFigures:
    """Reads a metrics page; the gauges hold currency units with exact cents below 2**53."""
    cents: dict[str, dict[str, int]] = {table: {} for table in _TABLES}
    now_seconds = 0.0
    for family in text_string_to_metric_families(page):
        if family.name == _WINDOW_END:
            now_seconds = family.samples[0].value
        table = family.name.removeprefix(_PREFIX)
        if family.name.startswith(_PREFIX) and table in cents:
            for sample in family.samples:
                name = next(iter(sample.labels.values()))
                cents[table][name] = round(sample.value * 100)
    return LiveFigures(datetime.fromtimestamp(now_seconds, UTC), cents)
