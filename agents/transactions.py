"""Agent of the topic `transactions`: stores orders, detects anomalies, updates the live tables."""

from faust.types import AgentT, AppT

from agents.chunk_agent import declare_agent
from app.events.topics.transactions import TOPIC, TransactionRow
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.chunk_slice import CommitResult
from app.sink.partition_state import PartitionState
from app.stream.processor_factory import ProcessorFactory
from app.stream.record_metrics import report_sales
from tables.live import LiveTables


def create_agent(app: AppT, factory: ProcessorFactory, detector: AnomalyDetector, tables: LiveTables) -> AgentT:
    """Declares the agent; each committed chunk updates `tables`."""

    def update_tables(state: PartitionState, result: CommitResult[TransactionRow]) -> None:
        if state.sales is not None:
            state.sales.accept(result.rows, result.timestamps_us, result.progress.horizon_us, factory.clock_us())
            tables.show(result.partition, state.sales)
        report_sales(factory.metrics, result.rows)

    factory.partitions.follow(TOPIC.name, update_tables)
    processor = factory.build(TOPIC, connections=factory.settings.worker.sink_connections, detector=detector)
    return declare_agent(app, TOPIC.name, processor, "Stores orders, detects anomalies, updates the live tables.")
