"""Agent of the topic `system_metrics`: stores measurements of the shop's hosts and shows the newest."""

from faust.types import AgentT, AppT

from agents.chunk_agent import declare_agent
from app.events.decoding import system_metric_decoder
from app.events.rows import SystemMetricRow
from app.sink.partition_state import PartitionState
from app.sink.tables import STORED_SYSTEM_METRICS
from app.sink.work import Outcome
from app.stream.runtime import StreamRuntime
from app.stream.system_gauges import SystemGauges
from app.topics import SYSTEM_METRICS


def create_agent(app: AppT, runtime: StreamRuntime) -> AgentT:
    """Declare the agent."""
    gauges = SystemGauges(runtime.metrics.system_metric)

    def applied(state: PartitionState, outcome: Outcome[SystemMetricRow]) -> None:
        gauges.show(outcome.rows)

    flow = runtime.flow(
        STORED_SYSTEM_METRICS, system_metric_decoder(runtime.limits), applied=applied
    )
    return declare_agent(
        app, SYSTEM_METRICS, flow, "Stores measurements of the shop's hosts and shows the newest."
    )
