"""Agent of the topic `system_metrics`: stores measurements of the shop's hosts and exports the newest."""

from faust.types import AgentT, AppT

from agents.chunk_agent import declare_agent
from app.events.topics.system_metrics import TOPIC, SystemMetricRow
from app.sink.chunk_slice import CommitResult
from app.sink.partition_state import PartitionState
from app.stream.health import SystemGauges
from app.stream.processor_factory import ProcessorFactory


def create_agent(app: AppT, factory: ProcessorFactory) -> AgentT:
    """Declares the agent."""
    gauges = SystemGauges(factory.metrics.system_metric)

    def show_newest(state: PartitionState, result: CommitResult[SystemMetricRow]) -> None:
        gauges.show(result.rows)

    factory.partitions.follow(TOPIC.name, show_newest)
    return declare_agent(app, TOPIC.name, factory.build(TOPIC), f"Stores {TOPIC.purpose} and exports the newest.")
