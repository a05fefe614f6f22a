"""Latency is observed from a header that anybody may fill with anything."""

import pytest
from prometheus_client import CollectorRegistry

from app.metrics import WorkerMetrics
from app.stream.record_metrics import record_latency
from app.topics import SENT_AT_HEADER
from tests.events.records import Record

_NOW_SECONDS = 1_772_366_400.5


def _observed(*headers: tuple[str, bytes | None]) -> tuple[float, float]:
    """Count and sum of what was observed of one record."""
    registry = CollectorRegistry()
    record = Record(b"{}", headers=list(headers))
    record_latency(WorkerMetrics(registry), [record], lambda: _NOW_SECONDS)
    found = [registry.get_sample_value(f"globalmart_end_to_end_seconds_{part}") for part in ("count", "sum")]
    return found[0] or 0.0, found[1] or 0.0


def test_a_time_is_observed() -> None:
    assert _observed((SENT_AT_HEADER, b"1772366400000")) == (1.0, 0.5)


@pytest.mark.parametrize("value", [None, b"", b"yesterday", b"-5", b"1.5", "\u0663".encode(), b"9" * 400, b"9" * 5000])
def test_what_is_no_time_is_left_out(value: bytes | None) -> None:
    assert _observed((SENT_AT_HEADER, value)) == (0.0, 0.0)
    assert _observed((SENT_AT_HEADER, value), (SENT_AT_HEADER, b"1772366400000")) == (1.0, 0.5)
