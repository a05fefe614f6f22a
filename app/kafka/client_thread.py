"""The thread of Faust's Kafka client, in which no call delays another.

Faust queues calls into that thread and runs two at a time. After a broker was killed, requests for offsets
and commits wait for seconds, and fetches would wait behind them. Here every call is its own task in the
thread, which is cancelled when its caller no longer waits.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, ensure_aiokafka_TP
from faust.types import TP
from mode.utils.futures import maybe_async

from app.kafka.aiokafka_fixes import back_off_after_failures

_CLOSE_SECONDS: Final = 3.0


class ClientThread(AIOKafkaConsumerThread):
    """Runs calls concurrently and tolerates failed offset commits: the ledger holds the authoritative offsets."""

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Runs the call in the thread; raises ConsumerStoppedError once the thread has ended."""

        async def call() -> Any:
            return await maybe_async(fun(*args, **kwargs))

        if self.thread_loop.is_closed():
            raise ConsumerStoppedError
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), self.thread_loop))

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust reads aborted records unless it uses transactions itself.
        consumer._isolation_level = "read_committed"
        back_off_after_failures(consumer._client)
        return consumer

    async def seen_ends(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """Returns the ends of the partitions still assigned, open transactions included, as of the last fetches.

        Runs in the thread, where no rebalance can interrupt: the client asserts that the partition is assigned.
        """

        def highwaters() -> dict[TP, int]:
            seen = {tp: self.highwater(tp) for tp in self.assignment() & set(partitions)}
            return {tp: end for tp, end in seen.items() if end is not None}

        ends: dict[TP, int] = await self.call_thread(highwaters)
        return ends

    async def on_thread_stop(self) -> None:
        """Leaves the group and stops; connections that do not close in time are closed with the process.

        Over TLS asyncio waits up to 30 s for each broker to close its side.
        """
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await super().on_thread_stop()
        except TimeoutError:
            self.log.info("the Kafka client did not close its connections in time; they are closed with the process")

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commits the offsets of the partitions still assigned; Faust would stop the worker on a failure."""
        ours = {tp: offset for tp, offset in offsets.items() if tp in self.assignment()}
        self.tp_last_committed_at.update(dict.fromkeys(ours, monotonic()))
        try:
            await self._ensure_consumer().commit(
                {ensure_aiokafka_TP(tp): OffsetAndMetadata(at, "") for tp, at in ours.items()}
            )
        except KafkaError as error:
            self.log.warning("Offset commit to Kafka failed (harmless: offsets are stored in PostgreSQL): %r", error)
            return False
        return True
