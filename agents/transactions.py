"""Agent of the topic `transactions`: stores orders, judges them, keeps the live tables."""

from faust.types import AgentT, AppT

from agents.chunk_agent import declare_agent
from app.events.decoding import transaction_decoder
from app.events.rows import TransactionRow
from app.sink.judging import TransactionJudge
from app.sink.partition_state import PartitionState
from app.sink.tables import STORED_TRANSACTIONS
from app.sink.work import Outcome
from app.stream.reporting import report_sales
from app.stream.runtime import StreamRuntime
from app.topics import TRANSACTIONS
from tables.live import LiveTables


def create_agent(
    app: AppT, runtime: StreamRuntime, judge: TransactionJudge, tables: LiveTables
) -> AgentT:
    """Declare the agent; `tables` follow each committed chunk."""

    def applied(state: PartitionState, outcome: Outcome[TransactionRow]) -> None:
        if state.sales is not None:
            state.sales.accept(
                outcome.rows, outcome.timestamps_us, outcome.progress.horizon_us, runtime.clock_us()
            )
            tables.show(outcome.partition, state.sales)
        report_sales(runtime.metrics, outcome.rows)

    flow = runtime.flow(
        STORED_TRANSACTIONS,
        transaction_decoder(runtime.limits),
        connections=runtime.settings.worker.sink_connections,
        judge=judge,
        applied=applied,
    )
    return declare_agent(
        app, TRANSACTIONS, flow, "Stores orders, judges them, keeps the live tables."
    )
