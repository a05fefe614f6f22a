"""The bare limit: one process that only consumes, decodes and runs the worker's transaction per chunk.

No Faust, no judging, no state, no tables, no metrics, no rebalances: what a script could reach at best.
Run as a module with the GLOBALMART_* environment.
"""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import asyncpg
import uvloop
from confluent_kafka import Consumer, TopicPartition

from app.events.decoding import Decoder, TimeLimits
from app.events.topics import transactions
from app.events.topics.transactions import TransactionRow
from app.postgres.connections import connect_worker
from app.settings import Settings, load_settings
from app.sink.chunk_slice import ChunkSlice
from app.sink.chunk_transaction import ChunkTransaction
from app.sink.fault_points import NoFaults
from app.sink.ledger import Progress, open_partition
from app.sink.partition_state import PartitionState
from app.sink.tables import STORED_TOPICS
from app.topics import TRANSACTIONS


class _Record:
    """A record of confluent-kafka with the attributes decoding reads."""

    __slots__ = ("headers", "key", "offset", "timestamp", "value")

    def __init__(self, message: Any) -> None:
        self.offset: int = message.offset()
        self.timestamp: int = message.timestamp()[1]
        self.key: bytes | None = message.key()
        self.value: bytes | None = message.value()
        self.headers: list[tuple[str, bytes]] = []


async def main() -> None:
    """Consume from the beginning until killed."""
    settings = load_settings()
    connection = await connect_worker(settings.postgres, "globalmart-bench bare limit")
    await connection.execute(STORED_TOPICS["transactions"].create_stage)
    states = await _open(connection, settings.kafka.partitions)
    decoder = Decoder(transactions.TOPIC, TimeLimits(300_000_000))
    transaction: ChunkTransaction[TransactionRow] = ChunkTransaction(
        STORED_TOPICS["transactions"],
        pane=timedelta(seconds=settings.stream.window_step_seconds),
        allowed_lateness_us=settings.stream.allowed_lateness_seconds * 1_000_000,
        faults=NoFaults(),
    )
    consumer = _consumer(settings)
    while True:
        messages = consumer.consume(settings.kafka.max_poll_records * len(states), 0.2)
        for partition, records in _by_partition(messages).items():
            await _commit(connection, transaction, decoder, states[partition], partition, records)


async def _open(connection: asyncpg.Connection, partitions: int) -> dict[int, PartitionState]:
    for partition in range(partitions):
        await open_partition(connection, TRANSACTIONS, partition, 0)
    return {partition: PartitionState(Progress(0)) for partition in range(partitions)}


def _consumer(settings: Settings) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka.bootstrap,
            "group.id": "globalmart-bench-bare-limit",
            "enable.auto.commit": False,
            "fetch.min.bytes": 1,
        }
    )
    partitions = range(settings.kafka.partitions)
    consumer.assign([TopicPartition(TRANSACTIONS, partition, 0) for partition in partitions])
    return consumer


def _by_partition(messages: list[Any]) -> dict[int, list[_Record]]:
    batches: defaultdict[int, list[_Record]] = defaultdict(list)
    for message in messages:
        if message.error() is None:
            batches[message.partition()].append(_Record(message))
    return batches


async def _commit(
    connection: asyncpg.Connection,
    transaction: ChunkTransaction[TransactionRow],
    decoder: Decoder[TransactionRow],
    state: PartitionState,
    partition: int,
    records: list[_Record],
) -> None:
    end = records[-1].offset + 1
    work = ChunkSlice(partition, state.progress.next_offset, end, decoder.decode(records))
    outcome = await transaction.commit(connection, state, work)
    state.progress = outcome.progress


if __name__ == "__main__":
    uvloop.run(main())
