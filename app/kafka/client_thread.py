"""The thread Faust runs the Kafka client in, so that no call holds up another.

Faust queues calls into that thread and serves two at a time. After a broker was killed, requests for offsets
and commits wait for seconds, and fetching waited behind them. Here every call is a task of its own in the
thread, which ends when its caller no longer waits.
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

from app.kafka.metadata_backoff import back_off_after_failures

_CLOSE_SECONDS: Final = 3.0


class ClientThread(AIOKafkaConsumerThread):
    """Calls side by side, and commits that may fail: the ledger holds the offsets that count."""

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run the call in the thread; raises ConsumerStoppedError once the thread has ended."""

        async def call() -> Any:
            return await maybe_async(fun(*args, **kwargs))

        if self.thread_loop.is_closed():
            raise ConsumerStoppedError
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), self.thread_loop))

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust reads what was aborted unless it takes part in transactions itself.
        consumer._isolation_level = "read_committed"
        back_off_after_failures(consumer._client)
        return consumer

    async def seen_ends(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """Ends of the partitions still assigned, open transactions included, as the last fetches saw them.

        Asked in the thread, where no rebalance comes in between: the client asserts that it has the partition.
        """

        def look() -> dict[TP, int]:
            seen = {tp: self.highwater(tp) for tp in self.assignment() & set(partitions)}
            return {tp: end for tp, end in seen.items() if end is not None}

        ends: dict[TP, int] = await self.call_thread(look)
        return ends

    async def on_thread_stop(self) -> None:
        """Leave the group and end; connections that do not close in time are left to the process's end.

        Over TLS asyncio waits up to 30 s for the good-bye of each broker.
        """
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await super().on_thread_stop()
        except TimeoutError:
            self.log.info("the Kafka client has left the group and is not waited for any longer")

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Note the offsets of the partitions still assigned; Faust would end the worker where this fails."""
        ours = {tp: offset for tp, offset in offsets.items() if tp in self.assignment()}
        self.tp_last_committed_at.update(dict.fromkeys(ours, monotonic()))
        try:
            await self._ensure_consumer().commit(
                {ensure_aiokafka_TP(tp): OffsetAndMetadata(at, "") for tp, at in ours.items()}
            )
        except KafkaError as error:
            self.log.warning("Kafka takes no note of the offsets, the ledger has them: %r", error)
            return False
        return True
