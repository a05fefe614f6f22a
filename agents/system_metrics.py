"""Agent of the topic `system_metrics`: stores measurements of the shop's hosts and exports the newest."""

from faust.types import AgentT, AppT

from agents.chunk_agent import declare_agent
from app.events.decoding import system_metric_decoder
from app.events.rows import SystemMetricRow
from app.sink.chunk_slice import CommitResult
from app.sink.partition_state import PartitionState
from app.sink.tables import STORED_SYSTEM_METRICS
from app.stream.health import SystemGauges
from app.stream.processor_factory import ProcessorFactory
from app.topics import SYSTEM_METRICS


def create_agent(app: AppT, factory: ProcessorFactory) -> AgentT:
    """Declares the agent."""
    gauges = SystemGauges(factory.metrics.system_metric)

    def show_newest(state: PartitionState, result: CommitResult[SystemMetricRow]) -> None:
        gauges.show(result.rows)

    factory.partitions.follow(SYSTEM_METRICS, show_newest)
    processor = factory.build(STORED_SYSTEM_METRICS, system_metric_decoder(factory.limits))
    return declare_agent(
        app, SYSTEM_METRICS, processor, "Stores measurements of the shop's hosts and exports the newest."
    )
