"""The recount of one partition: compares every record of Kafka with its outcome in PostgreSQL.

Kafka does not show which of two equal ids in two partitions was committed first: only this is taken from PostgreSQL. A
stored row counts only if the record at its offset is a candidate with the same content.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from app.kafka.reader import KafkaReader, Record
from app.reconcile.stream.counters import PartitionCounters
from app.reconcile.stream.edition_records import Editions
from app.reconcile.stream.erasures import NO_DELETION, Deletion, Erasures
from app.reconcile.stream.expected_store import ExpectedStore
from app.reconcile.stream.json_values import show_timestamp, stored_kafka_us
from app.reconcile.stream.judged_again import Known
from app.reconcile.stream.record_validation import (
    COLUMNS,
    IDENTITY,
    REJECTED_BY_DATABASE,
    SINK_STAGE,
    Event,
    RejectedError,
    Rules,
    validate,
)
from app.reconcile.stream.report import LostRange, ReconcileReport
from app.reconcile.stream.snapshot import ByOffset, DeadRow, Snapshot, StoredRow, dead_rows


@dataclass(slots=True)
class RecountContext:
    """Stores, rules and findings, passed from partition to partition.

    `erasures` are the users whose rows have pseudonyms. `deletions` are those by retention, by topic and partition.
    `hidden_before_us` is set if orders were deleted in PostgreSQL and in Kafka: sums of slots that begin before it
    cannot be recounted. `everything` also reads records of aborted transactions. Kafka keeps only the newest record of
    each key in `compacting` topics. `settled` is the content of accepted events whose row is missing or has a wrong
    offset, by topic and identity. `next_offsets` is the ledger by topic and partition. `editions` are the rules by
    which orders are judged again, but for what is `known`.
    """

    kafka: KafkaReader
    everything: KafkaReader
    snapshot: Snapshot
    expected_store: ExpectedStore
    report: ReconcileReport
    rules: Rules
    erasures: Erasures = field(default_factory=Erasures)
    deletions: Mapping[tuple[str, int], Deletion] = field(default_factory=dict)
    hidden_before_us: int | None = None
    compacting: set[str] = field(default_factory=set)
    settled: dict[tuple[Any, ...], tuple[Any, ...]] = field(default_factory=dict)
    next_offsets: Mapping[tuple[str, int], int] = field(default_factory=dict)
    editions: Editions = field(default_factory=Editions)
    known: Known = field(default_factory=Known)


class PartitionRecount:
    """Recounts one partition of a source topic, batch by batch, in offset order."""

    def __init__(self, context: RecountContext, topic: str, partition: int, counters: PartitionCounters) -> None:
        self._context = context
        self._report = context.report
        self._topic = topic
        self._partition = partition
        self._counters = counters
        deletions = [d.before_us for (name, _), d in context.deletions.items() if name == topic]
        self._deleted_before_us: Final = max(deletions, default=NO_DELETION.before_us)
        self._identity: Final = [COLUMNS[topic].index(name) for name in IDENTITY[topic]]
        self._rows: ByOffset[StoredRow] = ByOffset(context.snapshot.stored(topic, partition))
        self._dead: ByOffset[DeadRow] = ByOffset(dead_rows(context.snapshot, topic, partition))

        self._next = 0
        self.has_gaps = False

    async def run(self, first: int, end: int) -> None:
        """Recounts offsets [first, end); rows below are accepted unchecked, rows beyond are reported."""
        await self._accept_rows_below(first)
        self._next = first
        async for batch in self._context.kafka.read(self._topic, self._partition, first, end):
            await self._compare_batch(batch, batch[-1].offset + 1)
        if self._next < end:
            await self._compare_batch([], end)
        await self._report_rest()

    async def _accept_rows_below(self, first: int) -> None:
        """Counts the rows of records that Kafka has deleted, so that the sums are complete."""
        low = 0
        while low < first:
            low = min(first, low + 5_000)
            for row in (await self._rows.below(low)).values():
                self._report.topic(self._topic).rows += 1
                self._accept(row, None)
            for dead_letter in (await self._dead.below(low)).values():
                self._accept(None, dead_letter)
            self._counters.flush(self._context.expected_store)

    def _accept(self, row: StoredRow | None, dead_letter: DeadRow | None) -> None:
        """Counts what is stored of a record that Kafka has deleted."""
        if row is not None:
            time_us = row.values[COLUMNS[self._topic].index("timestamp")]
            self._counters.accept(Event(row.values, time_us, False, False), row.offset)
        if dead_letter is not None:
            self._counters.reject()

    async def _compare_batch(self, batch: list[Record], end: int) -> None:
        """Compares the records of offsets up to `end`; the batch holds those that Kafka still has."""
        rows, dead = await self._rows.below(end), await self._dead.below(end)
        deleted = await self._deleted(end, batch, {*rows, *dead})
        self._next = end
        self._report.topic(self._topic).rows += len(rows)
        verdicts = [self._validate(record) for record in batch]
        absent = [
            self._id(verdict.values)
            for record, verdict in zip(batch, verdicts, strict=True)
            if isinstance(verdict, Event) and not self._is_row_of(verdict, rows.get(record.offset))
        ]
        winners = await self._context.snapshot.winners(self._topic, absent)
        for record, verdict in zip(batch, verdicts, strict=True):
            while deleted and deleted[0] < record.offset:
                offset = deleted.pop(0)
                self._accept(rows.pop(offset, None), dead.pop(offset, None))
            self._counters.counters["consumed"] += 1
            row, letter = rows.pop(record.offset, None), dead.pop(record.offset, None)
            self._settle(record, verdict, row, letter, winners)
        for offset in deleted:
            self._accept(rows.pop(offset, None), dead.pop(offset, None))
        self._report_extra(rows.values(), dead.values())
        self._counters.flush(self._context.expected_store)

    async def _deleted(self, end: int, batch: list[Record], stored: set[int]) -> list[int]:
        """Returns the next offsets up to `end` with stored rows whose records Kafka has deleted, in order.

        Other offsets without a record are transaction markers or aborted records; on a compacted topic they may also
        be deleted records.
        """
        offsets = [record.offset for record in batch]
        unread = sorted(at for at in stored.difference(offsets) if at >= self._next)
        gaps = [*_gaps(self._next, end, offsets)]
        if self._topic not in self._context.compacting:
            unread = await self._not_aborted(unread)
            gaps = [*_runs(unread)]
        for start, stop in gaps:
            self._report.lost_ranges.append(LostRange(self._topic, self._partition, start, stop))
        self.has_gaps = self.has_gaps or bool(gaps)
        return unread

    async def _not_aborted(self, offsets: list[int]) -> list[int]:
        if not offsets:
            return []
        held: set[int] = set()
        place = (self._topic, self._partition, offsets[0], offsets[-1] + 1)
        async for batch in self._context.everything.read(*place):
            held.update(record.offset for record in batch)
        return [offset for offset in offsets if offset not in held]

    def _validate(self, record: Record) -> Event | str:
        try:
            event = validate(self._topic, record, self._context.rules)
            return self._context.erasures.apply(self._topic, event)
        except RejectedError as refusal:
            return refusal.reason

    def _settle(
        self,
        record: Record,
        verdict: Event | str,
        row: StoredRow | None,
        letter: DeadRow | None,
        winners: Mapping[tuple[Any, ...], StoredRow],
    ) -> None:
        if isinstance(verdict, str):
            self._expect_dead(record, verdict, letter)
            self._report_extra([row] if row else [], [])
        elif letter is not None and letter.reason == REJECTED_BY_DATABASE and row is None:
            self._report.topic(self._topic).rejected_by_database += 1
            self._expect_dead(record, REJECTED_BY_DATABASE, letter)
        else:
            self._report_extra([], [letter] if letter else [])
            self._settle_candidate(record, verdict, row, winners)

    def _settle_candidate(
        self, record: Record, event: Event, row: StoredRow | None, winners: Mapping[tuple[Any, ...], StoredRow]
    ) -> None:
        identity, settled = self._id(event.values), self._context.settled
        topic_identity, winner = (self._topic, *identity), winners.get(identity)
        if row is not None and (topic_identity in settled or self._is_stray(row, winner)):
            self._report_extra([row], [])
            row = None
        if topic_identity in settled:
            self._counters.repeat(conflicting=settled[topic_identity] != event.values)
        elif row is not None:
            self._compare(record, event, row)
            self._counters.accept(event, record.offset)
        elif winner is not None and self._may_win(record, winner):
            self._counters.repeat(conflicting=winner.values != event.values)
        elif event.time_us < self._deleted_before_us:
            self._counters.note_deleted()
            self._counters.accept(event, record.offset)
            if winner is None:
                settled[topic_identity] = event.values
        else:
            settled[topic_identity] = event.values
            self._report_missing(record, event, winner)
            self._counters.accept(event, record.offset)

    def _is_row_of(self, event: Event, row: StoredRow | None) -> bool:
        return row is not None and self._id(row.values) == self._id(event.values)

    def _is_stray(self, row: StoredRow, winner: StoredRow | None) -> bool:
        """Whether the row at a record's offset belongs to another record: its id is stored elsewhere."""
        return winner is not None and winner[:2] != row[:2]

    def _may_win(self, record: Record, winner: StoredRow) -> bool:
        """Whether the winner has a lower offset of the same partition, or a committed one of another."""
        if winner.partition == self._partition:
            return winner.offset < record.offset
        end = self._context.next_offsets.get((self._topic, winner.partition), 0)
        return winner.offset < end

    def _compare(self, record: Record, event: Event, row: StoredRow) -> None:
        names = COLUMNS[self._topic]
        for name, expected, found in zip(names, event.values, row.values, strict=True):
            if expected != found:
                if name == "timestamp":
                    expected, found = show_timestamp(expected), show_timestamp(found)
                self._disagree("field", record.offset, f"{name} is {found!r}, expected {expected!r}")

    def _report_missing(self, record: Record, event: Event, winner: StoredRow | None) -> None:
        if winner is not None:
            place = f"{self._topic}[{winner.partition}]@{winner.offset}"
            self._disagree("winner", record.offset, f"should be stored, but its id is stored from {place}")
        else:
            self._disagree("missing_row", record.offset, f"no row {self._id(event.values)!r}")

    def _expect_dead(self, record: Record, reason: str, letter: DeadRow | None) -> None:
        self._counters.reject()
        if letter is None:
            self._disagree("missing_dead_letter", record.offset, f"no dead letter, reason {reason}")
            return
        if letter.reason != reason:
            self._disagree("reason", record.offset, f"reason {letter.reason}, expected {reason}")
        elif (letter.stage == SINK_STAGE) != (reason == REJECTED_BY_DATABASE):
            self._disagree("stage", record.offset, f"stage {letter.stage} for reason {reason}")
        if self._context.erasures.concern(record) and not letter.erased:
            self._disagree("dead_letter", record.offset, "it contains the id of an erased user")
        key, value = (None, None) if letter.erased else (record.key, record.value)
        for name, expected, found in (
            ("key", key, letter.key),
            ("value", value, letter.value),
            ("kafka_time", stored_kafka_us(record.time_ms), letter.time_us),
        ):
            if expected != found:
                text = f"{name} of the dead letter is {found!r:.200}, expected {expected!r:.200}"
                self._disagree("dead_letter", record.offset, text)

    async def _report_rest(self) -> None:
        async for row in self._rows.rest():
            self._report.topic(self._topic).rows += 1
            self._report_extra([row], [])
        async for letter in self._dead.rest():
            self._report_extra([], [letter])

    def _report_extra(self, rows: Any, letters: Any) -> None:
        for row in rows:
            text = f"row {self._id(row.values)!r} is stored and should not be"
            self._disagree("extra_row", row.offset, text)
        for letter in letters:
            text = f"a dead letter, reason {letter.reason}, that should not be"
            self._disagree("extra_dead_letter", letter.offset, text)

    def _id(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(values[index] for index in self._identity)

    def _disagree(self, kind: str, offset: int, text: str) -> None:
        self._report.disagree(kind, f"{self._topic}[{self._partition}]@{offset}: {text}")


def _gaps(start: int, end: int, offsets: list[int]) -> Iterator[tuple[int, int]]:
    """Yields the parts [first, stop) of [start, end) that contain none of the sorted offsets."""
    for offset in (*offsets, end):
        if offset > start:
            yield start, offset
        start = offset + 1


def _runs(offsets: list[int]) -> Iterator[tuple[int, int]]:
    """Yields each run of consecutive offsets as [first, stop)."""
    for _, run in groupby(enumerate(offsets), key=lambda pair: pair[1] - pair[0]):
        found = [offset for _, offset in run]
        yield found[0], found[-1] + 1
