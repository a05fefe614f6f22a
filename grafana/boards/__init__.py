"""The dashboards, by the name of their file."""

from collections.abc import Callable, Mapping
from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards import business, fraud, pipeline, warehouse

BOARDS: Final[Mapping[str, Callable[[], Dashboard]]] = {
    "business": business.build,
    "fraud": fraud.build,
    "pipeline": pipeline.build,
    "warehouse": warehouse.build,
}
