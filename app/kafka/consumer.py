"""A Faust consumer that hands on whole chunks of the source topics and keeps its own book of offsets.

Faust works per message: queue, event, tracking and ack cost more than decoding the record. One message per partition
and fetch makes that cost vanish. Where to read is decided by the ledger in PostgreSQL: after every rebalance
a partition is held until `resume_at` names its next offset. The offsets committed to Kafka serve lag displays only.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.types import TP, ConsumerMessage, Message

from app.kafka.chunks import Chunk
from app.kafka.client_thread import ClientThread
from app.kafka.positions import Positions

_FETCH_SECONDS: Final = 0.25
_COMMIT_SECONDS: Final = 8.0
_ANSWER_SECONDS: Final = 4.0
_POSITION_SECONDS: Final = 1.0


class ChunkConsumer(Consumer):
    """Yields one message per partition and fetch; its value is a Chunk."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._positions: Positions[TP] = Positions()
        self._released = asyncio.Event()
        self._acked_upto: dict[TP, int] = {}

    # --- what agents and the sink ask for ---

    def pause(self, partition: TP) -> None:
        """Stop fetching the partition until `resume_at` names an offset; void what was fetched of it."""
        self._positions.pause([partition])

    def resume_at(self, partition: TP, offset: int) -> None:
        """Fetch the partition from this offset on; ignored once it has been revoked."""
        if partition in self.assignment():
            self._positions.resume_at(partition, offset)
            self._released.set()

    def is_current(self, chunk: Chunk) -> bool:
        """Whether the chunk still belongs to this member, generation and epoch of its partition."""
        partition = TP(chunk.topic, chunk.partition)
        return (
            chunk.generation == self.app.consumer_generation_id
            and chunk.epoch == self._positions.epoch(partition)
            and self._positions.position(partition) is not None
        )

    async def without_records(self, spans: Mapping[TP, tuple[int, int]]) -> set[TP]:
        """In which of these `[start, end)` nothing lies but marks and aborted records of transactions.

        The client goes past them and says nothing. As with every gap, that is believed only after a seek to `start`,
        and where Kafka has deleted nothing from there on.
        """
        at_start = {tp for tp, (start, _) in spans.items() if self._positions.position(tp) == start}
        reached = await self._client_positions(at_start)
        passed = {
            tp: start
            for tp, (start, end) in spans.items()
            if reached.get(tp, start) >= end and self._positions.position(tp) == start
        }
        asked = {tp: start for tp, start in passed.items() if self._positions.was_sought(tp)}
        for partition in passed.keys() - asked.keys():
            self._read_again(partition)
        return await self._kept(asked) if asked else set()

    async def _client_positions(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """Where the client will read next; nothing where it does not know all of them by itself."""
        try:
            async with asyncio.timeout(_POSITION_SECONDS):
                found = {tp: await self.position(tp) for tp in partitions}
        except TimeoutError:
            return {}
        return {tp: at for tp, at in found.items() if at is not None}

    async def seen_ends(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """Where the last fetches saw the partitions end; beyond what may be read while a transaction is open."""
        thread: ClientThread = self._thread
        return await thread.seen_ends(partitions)

    # --- fetching ---

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109
        """Fetch once and yield a message per partition; what cannot be handed on holds nothing back."""
        await self._seek_where_due()
        generation = self.app.consumer_generation_id
        epochs = {partition: self._positions.epoch(partition) for partition in self.assignment()}
        records, _ = await self._wait_next_records(min(timeout, _FETCH_SECONDS))
        if not records or self.should_stop:
            return
        for partition, batch in records.items():
            # Asked before anything is compared: while it waits, partitions may be held and released.
            whole = await self._is_whole(partition, batch[0].offset)
            stale = (
                not whole
                or not self.flow_active
                or generation != self.app.consumer_generation_id
                or epochs.get(partition) != self._positions.epoch(partition)
            )
            if stale:
                self._read_again(partition)
                continue
            message = self._chunk_message(partition, batch, generation)
            if message is not None:
                yield partition, message

    def _chunk_message(self, partition: TP, batch: list[Any], generation: int) -> ConsumerMessage | None:
        start = self._positions.position(partition)
        if start is None:
            return None
        if not self._positions.is_contiguous(partition, batch[0].offset):
            self._read_again(partition)
            return None
        epoch = self._positions.epoch(partition)
        chunk = Chunk(partition.topic, partition.partition, start, batch, generation, epoch)
        self._positions.advance(partition, chunk.end)
        last = batch[-1]
        return ConsumerMessage(
            partition.topic,
            partition.partition,
            start,
            last.timestamp / 1000.0,
            last.timestamp_type,
            None,
            None,
            chunk,
            None,
            0,
            0,
            partition,
            generation_id=generation,
        )

    async def _is_whole(self, partition: TP, first_offset: int) -> bool:
        """Whether nothing that Kafka has deleted lies between the position and the batch.

        A client whose position was deleted goes on with the oldest record there is and says nothing.
        """
        position = self._positions.position(partition)
        if position is None or not self._positions.has_gap(partition, first_offset):
            return True
        return partition in await self._kept({partition: position})

    async def _kept(self, positions: Mapping[TP, int]) -> set[TP]:
        """The partitions of which Kafka has deleted nothing from these offsets on; the others are opened again."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                oldest = await self.earliest_offsets(*positions)
        except (TimeoutError, KafkaError) as error:
            self.log.warning("gaps could not be looked into: %r in %r", error, dict(positions))
            return set()
        standing = {tp: at for tp, at in positions.items() if self._positions.position(tp) == at}
        for partition, at in standing.items():
            if oldest[partition] > at:
                self.app.partitions.reopen(partition)
        return {partition for partition, at in standing.items() if oldest[partition] <= at}

    def _read_again(self, partition: TP) -> None:
        """Records were fetched and not handed on: the client is past them, the stream is not."""
        position = self._positions.position(partition)
        if position is not None:
            self._positions.resume_at(partition, position)

    async def _seek_where_due(self) -> None:
        seeks = self._positions.take_seeks()
        if not seeks:
            return
        try:
            await self.seek_wait(seeks)
        except IllegalStateError:
            gone = seeks.keys() - self.assignment()
            self.log.info("partitions went away before a seek: %r", gone)
            self._positions.pause(gone)
            self._seek_again(seeks)
        except TimeoutError:
            self.log.warning("a seek took too long and is tried again: %r", seeks)
            self._seek_again(seeks)

    def _seek_again(self, seeks: Mapping[TP, int]) -> None:
        """Where the position is still the one that was to be sought; others were held or released meanwhile."""
        for partition, offset in seeks.items():
            if self._positions.position(partition) == offset:
                self._positions.resume_at(partition, offset)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109
        fetchable = self._positions.released() & (active_partitions or set())
        if not fetchable:
            await self._wait_until_released(timeout)
            return {}
        return await super()._getmany(fetchable, timeout)

    async def _wait_until_released(self, seconds: float) -> None:
        self._released.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._released.wait(), seconds)

    # --- rebalances: every doubt ends in a held partition ---

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Hold everything: under the eager protocol all partitions go, and some come back."""
        self._positions.pause(self.assignment() | revoked)
        await super().on_partitions_revoked(revoked)
        # Who was about to open them may have come in between.
        self._positions.pause(self._positions.released())
        for partition in revoked:
            self._acked_upto.pop(partition, None)

    async def perform_seek(self) -> None:
        """Faust asks for a seek to Kafka's committed offsets; the ledger has said better, or will."""
        for partition in self._positions.released():
            self._read_again(partition)

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return ClientThread(self, loop=self.loop, beacon=self.beacon)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Note the offsets in Kafka; a broker that is away may never answer, and that harms nobody."""
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                return bool(await super()._commit(offsets))
        except (TimeoutError, ConsumerStoppedError):
            self.log.warning("Kafka takes no note of the offsets now; the ledger has them")
            return False

    # --- own book: the end of the last acked chunk is what may be committed ---

    def ack(self, message: Message) -> bool:
        """Take note of a finished chunk; acks of void chunks are ignored."""
        chunk: Chunk = message.value
        message.acked = True
        self._unacked_messages.discard(message)
        if not self.is_current(chunk):
            return False
        self._acked_upto[message.tp] = chunk.end
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Any:
        return (
            partition
            for partition in list(self._acked_upto)
            if topics is None or partition in topics or partition.topic in topics
        )

    def _new_offset(self, tp: TP) -> int | None:
        return self._acked_upto.get(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Chunks know their gaps; Faust's interval tree is not needed."""
