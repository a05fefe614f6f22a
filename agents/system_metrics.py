"""Agent of the topic `system_metrics`: stores measurements of the shop's hosts."""

from faust.types import AgentT, AppT

from agents.chunk_agent import declare_agent
from app.events.decoding import system_metric_decoder
from app.sink.tables import STORED_SYSTEM_METRICS
from app.stream.runtime import StreamRuntime
from app.topics import SYSTEM_METRICS


def create_agent(app: AppT, runtime: StreamRuntime) -> AgentT:
    """Declare the agent."""
    flow = runtime.flow(STORED_SYSTEM_METRICS, system_metric_decoder(runtime.limits))
    return declare_agent(app, SYSTEM_METRICS, flow, "Stores measurements of the shop's hosts.")
