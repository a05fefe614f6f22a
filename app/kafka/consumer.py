"""A Faust consumer that yields whole chunks of the source topics and does its own offset tracking.

Faust works per message: queue, event, tracking and ack cost more than decoding the record. One message per partition
and fetch makes that cost negligible. The ledger in PostgreSQL decides where to read: after every rebalance a
partition is paused until `resume_at` sets its next offset. The offsets committed to Kafka serve lag displays only.
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
        self._resumed = asyncio.Event()
        self._acked_upto: dict[TP, int] = {}

    # --- for the agents and the sink ---

    def pause(self, partition: TP) -> None:
        """Stops fetching the partition until `resume_at` sets an offset; chunks fetched before become outdated."""
        self._positions.pause([partition])

    def resume_at(self, partition: TP, offset: int) -> None:
        """Fetches the partition from this offset on; ignored once it has been revoked."""
        if partition in self.assignment():
            self._positions.resume_at(partition, offset)
            self._resumed.set()

    def is_current(self, chunk: Chunk) -> bool:
        """Whether the chunk still belongs to this member, generation and epoch of its partition."""
        partition = TP(chunk.topic, chunk.partition)
        return (
            chunk.generation == self.app.consumer_generation_id
            and chunk.epoch == self._positions.epoch(partition)
            and self._positions.position(partition) is not None
        )

    async def without_records(self, ranges: Mapping[TP, tuple[int, int]]) -> set[TP]:
        """Returns the partitions whose range `[start, end)` has only control records and aborted records.

        The client skips them without a notice. As with every gap, that counts only after a seek to `start`, and only
        if Kafka has deleted nothing from there on.
        """
        at_start = {tp for tp, (start, _) in ranges.items() if self._positions.position(tp) == start}
        reached = await self._client_positions(at_start)
        passed = {
            tp: start
            for tp, (start, end) in ranges.items()
            if reached.get(tp, start) >= end and self._positions.position(tp) == start
        }
        sought = {tp: start for tp, start in passed.items() if self._positions.was_sought(tp)}
        for partition in passed.keys() - sought.keys():
            self._read_again(partition)
        return await self._undeleted(sought) if sought else set()

    async def _client_positions(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """Returns the client's next offsets; empty if it would have to request one of them."""
        try:
            async with asyncio.timeout(_POSITION_SECONDS):
                found = {tp: await self.position(tp) for tp in partitions}
        except TimeoutError:
            return {}
        return {tp: at for tp, at in found.items() if at is not None}

    async def seen_ends(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """Returns the partitions' ends as of the last fetches, including records behind an open transaction."""
        thread: ClientThread = self._thread
        return await thread.seen_ends(partitions)

    # --- fetching ---

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109
        """Fetches once and yields a message per partition; a batch that must be read again delays no other."""
        await self._seek_where_due()
        generation = self.app.consumer_generation_id
        epochs = {partition: self._positions.epoch(partition) for partition in self.assignment()}
        records, _ = await self._wait_next_records(min(timeout, _FETCH_SECONDS))
        if not records or self.should_stop:
            return
        for partition, batch in records.items():
            # Awaited before the comparisons: in the meantime partitions may be paused and resumed.
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
        """Whether Kafka has deleted nothing between the position and the batch.

        A client whose position was deleted continues with the oldest record there is, without an error.
        """
        position = self._positions.position(partition)
        if position is None or not self._positions.has_gap(partition, first_offset):
            return True
        return partition in await self._undeleted({partition: position})

    async def _undeleted(self, positions: Mapping[TP, int]) -> set[TP]:
        """Returns the partitions in which Kafka has deleted nothing from these offsets on; reopens the others."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                oldest = await self.earliest_offsets(*positions)
        except (TimeoutError, KafkaError) as error:
            self.log.warning("gaps could not be checked: %r in %r", error, dict(positions))
            return set()
        unchanged = {tp: at for tp, at in positions.items() if self._positions.position(tp) == at}
        for partition, at in unchanged.items():
            if oldest[partition] > at:
                self.app.partitions.reopen(partition)
        return {partition for partition, at in unchanged.items() if oldest[partition] <= at}

    def _read_again(self, partition: TP) -> None:
        """Seeks back to the position: the client has fetched records that were not processed."""
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
            self.log.info("partitions were revoked before a seek: %r", gone)
            self._positions.pause(gone)
            self._seek_again(seeks)
        except TimeoutError:
            self.log.warning("a seek timed out, retrying: %r", seeks)
            self._seek_again(seeks)

    def _seek_again(self, seeks: Mapping[TP, int]) -> None:
        """Repeats the seeks whose position is unchanged; other partitions were paused or resumed in the meantime."""
        for partition, offset in seeks.items():
            if self._positions.position(partition) == offset:
                self._positions.resume_at(partition, offset)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109
        fetchable = self._positions.resumed() & (active_partitions or set())
        if not fetchable:
            await self._wait_until_resumed(timeout)
            return {}
        return await super()._getmany(fetchable, timeout)

    async def _wait_until_resumed(self, seconds: float) -> None:
        self._resumed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._resumed.wait(), seconds)

    # --- rebalances: in case of doubt a partition is paused ---

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Pauses everything: the eager protocol revokes all partitions and assigns some of them again."""
        self._positions.pause(self.assignment() | revoked)
        await super().on_partitions_revoked(revoked)
        # A concurrent opening may have resumed some of them in the meantime.
        self._positions.pause(self._positions.resumed())
        for partition in revoked:
            self._acked_upto.pop(partition, None)

    async def perform_seek(self) -> None:
        """Seeks to the ledger's offsets instead of those committed to Kafka, as Faust would."""
        for partition in self._positions.resumed():
            self._read_again(partition)

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return ClientThread(self, loop=self.loop, beacon=self.beacon)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commits the offsets to Kafka; an unavailable broker may never answer, which is harmless."""
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                return bool(await super()._commit(offsets))
        except (TimeoutError, ConsumerStoppedError):
            self.log.warning("Offset commit to Kafka failed (harmless: offsets are stored in PostgreSQL)")
            return False

    # --- offset tracking: the end of the last acked chunk may be committed ---

    def ack(self, message: Message) -> bool:
        """Records a finished chunk; acks of outdated chunks are ignored."""
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
