"""Agent of the topic `transactions`: stores orders, detects anomalies, updates the live tables."""

from faust.types import AgentT, AppT

from agents.chunk_agent import declare_agent
from app.events.decoding import transaction_decoder
from app.events.rows import TransactionRow
from app.sink.anomaly_detector import AnomalyDetector
from app.sink.chunk_slice import CommitResult
from app.sink.partition_state import PartitionState
from app.sink.tables import STORED_TRANSACTIONS
from app.stream.processor_factory import ProcessorFactory
from app.stream.record_metrics import report_sales
from app.topics import TRANSACTIONS
from tables.live import LiveTables


def create_agent(app: AppT, factory: ProcessorFactory, detector: AnomalyDetector, tables: LiveTables) -> AgentT:
    """Declares the agent; each committed chunk updates `tables`."""

    def update_tables(state: PartitionState, result: CommitResult[TransactionRow]) -> None:
        if state.sales is not None:
            state.sales.accept(result.rows, result.timestamps_us, result.progress.horizon_us, factory.clock_us())
            tables.show(result.partition, state.sales)
        report_sales(factory.metrics, result.rows)

    factory.partitions.follow(TRANSACTIONS, update_tables)
    processor = factory.build(
        STORED_TRANSACTIONS,
        transaction_decoder(factory.limits),
        connections=factory.settings.worker.sink_connections,
        detector=detector,
    )
    return declare_agent(app, TRANSACTIONS, processor, "Stores orders, detects anomalies, updates the live tables.")
