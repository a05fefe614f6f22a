"""The composition of the recount: reads, validates, computes the expected rows and compares."""

import time
from collections.abc import Mapping
from typing import Final

from app.kafka.reader import KafkaReader
from app.reconcile.stream.anomaly_copies import Outbox
from app.reconcile.stream.counters import PartitionCounters
from app.reconcile.stream.edition_records import MINUTE_US, Editions, wrong_ranges
from app.reconcile.stream.erasures import NO_DELETION, Deletion, Erasures
from app.reconcile.stream.expected_store import ExpectedStore
from app.reconcile.stream.json_values import show_timestamp, to_us
from app.reconcile.stream.judged_again import JudgedAgain, Known
from app.reconcile.stream.judgements import compare_judgements
from app.reconcile.stream.partition import PartitionRecount, RecountContext
from app.reconcile.stream.record_validation import Rules
from app.reconcile.stream.report import COUNTERS, LostRange, ReconcileReport
from app.reconcile.stream.sales import LiveFigures, compare_live, compare_slots, compare_windows
from app.reconcile.stream.snapshot import LedgerRow, Snapshot, open_snapshot
from app.security import librdkafka_options
from app.settings import Settings
from app.topics import SOURCE_TOPICS, TRANSACTIONS

#: Counters that can be computed from rows alone if Kafka has deleted their records.
_FROM_ROWS: Final = ("stored", "dead_lettered", "late")


async def reconcile(settings: Settings, *, live_tables: LiveFigures | None = None) -> ReconcileReport:
    """Recounts every source record up to the ledger and compares everything in PostgreSQL with it.

    Workers may write meanwhile: one snapshot of PostgreSQL decides up to which offset Kafka is read. `live_tables` are
    compared with the rows of that snapshot, so for them the stream has to be idle. Raises KafkaReadError or
    RecountError when Kafka or PostgreSQL cannot be read.
    """
    started = time.monotonic()
    report = ReconcileReport()
    stream, var_dir = settings.stream, settings.general.var_dir
    var_dir.mkdir(parents=True, exist_ok=True)
    async with open_snapshot(settings.postgres) as snapshot:
        with (
            KafkaReader(librdkafka_options(settings.kafka)) as kafka,
            KafkaReader(librdkafka_options(settings.kafka), uncommitted=True) as everything,
            ExpectedStore(stream.window_seconds, stream.window_step_seconds, var_dir) as expected_store,
        ):
            context = await _open_context(settings, (kafka, everything), snapshot, expected_store, report)
            await _recount_ledger(context, settings)
            await _compare_derived(context, settings)
            if live_tables is not None:
                compare_live(expected_store, live_tables, report)
    report.seconds = round(time.monotonic() - started, 3)
    return report


async def _open_context(
    settings: Settings,
    readers: tuple[KafkaReader, KafkaReader],
    snapshot: Snapshot,
    expected_store: ExpectedStore,
    report: ReconcileReport,
) -> RecountContext:
    stream = settings.stream
    rules = Rules(stream.future_tolerance_seconds, stream.retention_days, to_us(stream.earliest_timestamp))
    erasures = await snapshot.erasures()
    deletions, editions = await snapshot.deletions(), await snapshot.editions()
    known = await _known(snapshot, editions, erasures, _deleted_before_us(deletions))
    return RecountContext(
        *readers, snapshot, expected_store, report, rules, erasures, deletions, editions=editions, known=known
    )


def _deleted_before_us(deletions: Mapping[tuple[str, int], Deletion]) -> int | None:
    return max(
        (deletion.before_us for (topic, _), deletion in deletions.items() if topic == TRANSACTIONS), default=None
    )


async def _known(snapshot: Snapshot, editions: Editions, erasures: Erasures, deleted_before_us: int | None) -> Known:
    listed = await snapshot.hits_of_erased(editions.compare_what_was_sent, erasures.pseudonyms)
    if deleted_before_us is None or not editions.cooling:
        return Known(listed)
    until_us = deleted_before_us + max(editions.lookback_us, MINUTE_US)
    counted = await snapshot.counted(editions.cooling, until_us - editions.cooldown_us, until_us)
    return Known(listed, counted, until_us)


async def _recount_ledger(context: RecountContext, settings: Settings) -> None:
    ledger = await context.snapshot.ledger()
    context.next_offsets = {(line.topic, line.partition): line.next_offset for line in ledger}
    await _check_cluster(context)
    await _check_windows(context, settings)
    for text in wrong_ranges(context.editions, context.next_offsets):
        context.report.disagree("judged_from", text)
    await _find_compacting(context, {line.topic for line in ledger})
    for line in ledger:
        if line.topic in SOURCE_TOPICS:
            await _recount_line(context, settings, line)
        else:
            context.report.disagree("ledger", f"{line.topic} is in the ledger and is not a source topic")
    await _report_unknown_partitions(context, ledger)


async def _check_cluster(context: RecountContext) -> None:
    row = await context.snapshot.row("SELECT cluster_id FROM stream_source")
    cluster_id = await context.kafka.cluster_id()
    if row is not None and row["cluster_id"] != cluster_id:
        text = f"the ledger is of cluster {row['cluster_id']}, this Kafka is {cluster_id}"
        context.report.disagree("ledger", text)


async def _check_windows(context: RecountContext, settings: Settings) -> None:
    row = await context.snapshot.row("SELECT window_seconds, step_seconds FROM stream_windows")
    stored = None if row is None else tuple(row)
    wanted = (settings.stream.window_seconds, settings.stream.window_step_seconds)
    if stored != wanted:
        text = f"the panes are of windows and steps of {stored} s, the settings are {wanted}"
        context.report.disagree("ledger", text)


async def _find_compacting(context: RecountContext, topics: set[str]) -> None:
    for topic in (name for name in SOURCE_TOPICS if name in topics):
        if await context.kafka.compacts(topic):
            context.compacting.add(topic)
            context.report.compacting.append(topic)


async def _recount_line(context: RecountContext, settings: Settings, line: LedgerRow) -> None:
    first, end = await _readable(context, line)
    lateness = settings.stream.allowed_lateness_seconds
    judge = JudgedAgain(line.partition, context.editions, context.known)
    counters = PartitionCounters(line.topic, line.partition, lateness, judge, context.erasures.pseudonyms)
    partition = PartitionRecount(context, line.topic, line.partition, counters)
    await partition.run(first, end)
    deletion = context.deletions.get((line.topic, line.partition), NO_DELETION)
    hidden = deletion.rows - counters.deleted
    counters.counters["stored"] += hidden
    if hidden and line.topic == TRANSACTIONS:
        context.hidden_before_us = max(context.hidden_before_us or deletion.before_us, deletion.before_us)
    whole = first == 0 and not partition.has_gaps
    names: tuple[str, ...] = COUNTERS if whole else _FROM_ROWS
    if hidden and first > 0:
        names = tuple(name for name in names if name != "late")
        counters.raise_watermark(min(line.watermark_us or deletion.before_us, deletion.before_us - 1))
    _compare_counters(context.report, line, counters, names)


async def _readable(context: RecountContext, line: LedgerRow) -> tuple[int, int]:
    """Returns the offsets [first, end) to recount; reports those that Kafka has deleted or never had."""
    if line.partition not in await context.kafka.partitions(line.topic):
        context.report.disagree("ledger", f"{line.topic}[{line.partition}] does not exist in Kafka")
        return 0, 0
    low, high = await context.kafka.bounds(line.topic, line.partition)
    if line.next_offset > high:
        text = f"{line.topic}[{line.partition}] ends at {high}, the ledger is at {line.next_offset}"
        context.report.disagree("ledger", text)
    first = min(low, line.next_offset)
    if first > 0:
        context.report.lost_ranges.append(LostRange(line.topic, line.partition, 0, first))
    return first, min(line.next_offset, high)


def _compare_counters(
    report: ReconcileReport, line: LedgerRow, counters: PartitionCounters, names: tuple[str, ...]
) -> None:
    figures = report.topic(line.topic)
    place = f"{line.topic}[{line.partition}]"
    for name in COUNTERS:
        figures.expected[name] += counters.counters[name]
        figures.found[name] += line.counters[name]
        if name in names and line.counters[name] != counters.counters[name]:
            text = f"{name} is {line.counters[name]}, expected {counters.counters[name]}"
            report.disagree("counter", f"ledger {place}: {text}")
    if line.watermark_us != counters.watermark_us:
        found, expected = (
            "none" if moment is None else show_timestamp(moment)
            for moment in (line.watermark_us, counters.watermark_us)
        )
        report.disagree("watermark", f"ledger {place}: watermark {found}, expected {expected}")


async def _report_unknown_partitions(context: RecountContext, ledger: list[LedgerRow]) -> None:
    """Reports rows and dead letters of partitions without a row in the ledger."""
    known = {(line.topic, line.partition) for line in ledger}
    for topic in SOURCE_TOPICS:
        for partition, count in (await context.snapshot.stored_counts(topic)).items():
            if (topic, partition) not in known:
                text = f"{count} rows of {topic}[{partition}], which is not in the ledger"
                context.report.disagree("extra_row", text)
    for (topic, partition), count in (await context.snapshot.dead_letter_counts()).items():
        if (topic, partition) not in known:
            text = f"{count} dead letters of {topic}[{partition}], which is not in the ledger"
            context.report.disagree("extra_dead_letter", text)


async def _compare_derived(context: RecountContext, settings: Settings) -> None:
    expected_store, snapshot, report = context.expected_store, context.snapshot, context.report
    hidden_us = context.hidden_before_us
    await compare_slots(expected_store, snapshot, report, hidden_us)
    await compare_windows(expected_store, snapshot, report, settings.stream.window_seconds, hidden_us)
    from_us = _judged_from_us(context)
    outbox = Outbox(expected_store, snapshot, report, context.erasures, from_us)
    await outbox.load(context.kafka)
    await outbox.compare_anomalies()
    await compare_judgements(expected_store, snapshot, report, from_us)
    await outbox.compare_dead_letter_copies()


def _judged_from_us(context: RecountContext) -> int | None:
    """Returns the time from which all orders that count for an order are known; None if they always were.

    Rules that look far back, and cool-downs, did not see what was deleted before, even if Kafka still has it.
    """
    editions, before_us = context.editions, context.hidden_before_us
    if editions.cooling or editions.lookback_us > MINUTE_US:
        before_us = _deleted_before_us(context.deletions)
    return None if before_us is None else before_us + max(editions.lookback_us, MINUTE_US)
