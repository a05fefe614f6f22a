"""Agent of the topic `system_metrics`: stores measurements of the shop's hosts and exports the newest."""

from faust.types import AgentT, AppT

from agents.chunk_agent import declare_agent
from app.events.decoding import system_metric_decoder
from app.events.rows import SystemMetricRow
from app.sink.chunk_slice import CommitResult
from app.sink.partition_state import PartitionState
from app.sink.tables import STORED_SYSTEM_METRICS
from app.stream.gauges import SystemGauges
from app.stream.runtime import StreamRuntime
from app.topics import SYSTEM_METRICS


def create_agent(app: AppT, runtime: StreamRuntime) -> AgentT:
    """Declares the agent."""
    gauges = SystemGauges(runtime.metrics.system_metric)

    def applied(state: PartitionState, result: CommitResult[SystemMetricRow]) -> None:
        gauges.show(result.rows)

    processor = runtime.processor(STORED_SYSTEM_METRICS, system_metric_decoder(runtime.limits), applied=applied)
    return declare_agent(
        app, SYSTEM_METRICS, processor, "Stores measurements of the shop's hosts and exports the newest."
    )
