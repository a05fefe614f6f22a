"""Topic `system_metrics`: measurements of the shop's hosts."""

import math
from datetime import datetime
from typing import Final, NamedTuple

from msgspec import Struct

from app.events.rejections import Reason, RejectedRecord
from app.events.topics.declaration import Identifier, Retention, SourceTopic


class SystemMetricEvent(Struct, gc=False):
    """A measurement of a host."""

    host: Identifier
    component: Identifier
    metric: Identifier
    timestamp: datetime
    value: float


class SystemMetricRow(NamedTuple):
    """A measurement of a host."""

    host: str
    component: str
    metric: str
    timestamp: datetime
    value: float
    source_offset: int


def to_row(event: SystemMetricEvent, timestamp: datetime, offset: int) -> tuple[SystemMetricRow, bool]:
    """The measurement's row; raises RejectedRecord for a value that is not finite."""
    if not math.isfinite(event.value):
        raise RejectedRecord(Reason.INVALID_FIELD, "value is not a finite number")
    return SystemMetricRow(event.host, event.component, event.metric, timestamp, event.value, offset), False


TOPIC: Final = SourceTopic(
    name="system_metrics",
    purpose="measurements of the shop's hosts",
    event=SystemMetricEvent,
    row=SystemMetricRow,
    to_row=to_row,
    record_key="host",
    identity=("host", "component", "metric", "timestamp"),
    retention=Retention.METRICS,
    archived=False,
)
