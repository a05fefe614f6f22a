"""The whole recount: composition of reading, judging, expecting and comparing."""

import time
from typing import Final

from app.reconcile.book import Book
from app.reconcile.deletions import NO_DELETION
from app.reconcile.expected import PartitionRecount
from app.reconcile.instants import show_instant, to_us
from app.reconcile.judging import Rules
from app.reconcile.outbox import Outbox
from app.reconcile.reading import KafkaReader
from app.reconcile.report import COUNTERS, LostRange, ReconcileReport
from app.reconcile.sales import LiveFigures, compare_live, compare_slots, compare_windows
from app.reconcile.scene import Scene
from app.reconcile.snapshot import LedgerRow, Snapshot, open_snapshot
from app.reconcile.spool import Spool
from app.security.kafka import librdkafka_options
from app.settings import Settings
from app.topics import SOURCE_TOPICS, TRANSACTIONS

#: Counters that rows alone still tell when Kafka has deleted the records behind them.
_FROM_ROWS: Final = ("stored", "dead_lettered", "late")


async def reconcile(
    settings: Settings, *, live_tables: LiveFigures | None = None
) -> ReconcileReport:
    """Recount every source record up to the ledger and compare all that PostgreSQL holds with it.

    Workers may write meanwhile: one snapshot of PostgreSQL decides how far Kafka is read.
    `live_tables` are compared with the rows of that snapshot, so the stream has to be quiet for
    them. Raises RecountError when Kafka or PostgreSQL cannot be read.
    """
    started = time.monotonic()
    report = ReconcileReport()
    stream, var_dir = settings.stream, settings.general.var_dir
    var_dir.mkdir(parents=True, exist_ok=True)
    async with open_snapshot(settings.postgres) as snapshot:
        with (
            KafkaReader(librdkafka_options(settings.kafka)) as kafka,
            KafkaReader(librdkafka_options(settings.kafka), uncommitted=True) as everything,
            Spool(stream.window_seconds, stream.window_step_seconds, var_dir) as spool,
        ):
            scene = await _scene(settings, (kafka, everything), snapshot, spool, report)
            await _recount_ledger(scene, settings)
            await _compare_derived(scene, settings)
            if live_tables is not None:
                compare_live(spool, live_tables, report)
    report.seconds = round(time.monotonic() - started, 3)
    return report


async def _scene(
    settings: Settings,
    readers: tuple[KafkaReader, KafkaReader],
    snapshot: Snapshot,
    spool: Spool,
    report: ReconcileReport,
) -> Scene:
    stream = settings.stream
    rules = Rules(
        stream.future_tolerance_seconds, stream.retention_days, to_us(stream.earliest_timestamp)
    )
    erasures = await snapshot.erasures()
    return Scene(*readers, snapshot, spool, report, rules, erasures, await snapshot.deletions())


async def _recount_ledger(scene: Scene, settings: Settings) -> None:
    ledger = await scene.snapshot.ledger()
    scene.next_offsets = {(line.topic, line.partition): line.next_offset for line in ledger}
    await _check_cluster(scene)
    await _check_windows(scene, settings)
    await _find_compacting(scene, {line.topic for line in ledger})
    for line in ledger:
        if line.topic in SOURCE_TOPICS:
            await _recount_line(scene, settings, line)
        else:
            scene.report.disagree("ledger", f"{line.topic} is in the ledger and is no source topic")
    await _report_strangers(scene, ledger)


async def _check_cluster(scene: Scene) -> None:
    row = await scene.snapshot.row("SELECT cluster_id FROM stream_source")
    cluster_id = await scene.kafka.cluster_id()
    if row is not None and row["cluster_id"] != cluster_id:
        text = f"the ledger is of cluster {row['cluster_id']}, Kafka says {cluster_id}"
        scene.report.disagree("ledger", text)


async def _check_windows(scene: Scene, settings: Settings) -> None:
    row = await scene.snapshot.row("SELECT window_seconds, step_seconds FROM stream_windows")
    stored = None if row is None else tuple(row)
    wanted = (settings.stream.window_seconds, settings.stream.window_step_seconds)
    if stored != wanted:
        text = f"panes are of windows and steps of {stored} s, the settings say {wanted}"
        scene.report.disagree("ledger", text)


async def _find_compacting(scene: Scene, topics: set[str]) -> None:
    for topic in (name for name in SOURCE_TOPICS if name in topics):
        if await scene.kafka.compacts(topic):
            scene.compacting.add(topic)
            scene.report.compacting.append(topic)


async def _recount_line(scene: Scene, settings: Settings, line: LedgerRow) -> None:
    first, end = await _readable(scene, line)
    lateness = settings.stream.allowed_lateness_seconds
    book = Book(line.topic, line.partition, lateness, settings.anomaly)
    partition = PartitionRecount(scene, line.topic, line.partition, book)
    await partition.run(first, end)
    deletion = scene.deletions.get((line.topic, line.partition), NO_DELETION)
    hidden = deletion.rows - book.deleted
    book.counters["stored"] += hidden
    if hidden and line.topic == TRANSACTIONS:
        scene.hidden_before_us = max(
            scene.hidden_before_us or deletion.before_us, deletion.before_us
        )
    whole = first == 0 and not partition.has_gaps
    names: tuple[str, ...] = COUNTERS if whole else _FROM_ROWS
    if hidden and first > 0:
        names = tuple(name for name in names if name != "late")
        book.see_at_least(min(line.watermark_us or deletion.before_us, deletion.before_us - 1))
    _compare_counters(scene.report, line, book, names)


async def _readable(scene: Scene, line: LedgerRow) -> tuple[int, int]:
    """The offsets [first, end) to recount; what Kafka deleted or never had is reported."""
    if line.partition not in await scene.kafka.partitions(line.topic):
        scene.report.disagree("ledger", f"{line.topic}[{line.partition}] does not exist in Kafka")
        return 0, 0
    low, high = await scene.kafka.bounds(line.topic, line.partition)
    if line.next_offset > high:
        text = f"{line.topic}[{line.partition}] ends at {high}, the ledger is at {line.next_offset}"
        scene.report.disagree("ledger", text)
    first = min(low, line.next_offset)
    if first > 0:
        scene.report.lost_ranges.append(LostRange(line.topic, line.partition, 0, first))
    return first, min(line.next_offset, high)


def _compare_counters(
    report: ReconcileReport, line: LedgerRow, book: Book, names: tuple[str, ...]
) -> None:
    figures = report.topic(line.topic)
    place = f"{line.topic}[{line.partition}]"
    for name in COUNTERS:
        figures.expected[name] += book.counters[name]
        figures.found[name] += line.counters[name]
        if name in names and line.counters[name] != book.counters[name]:
            text = f"{name} is {line.counters[name]}, expected {book.counters[name]}"
            report.disagree("counter", f"ledger {place}: {text}")
    if line.watermark_us != book.watermark_us:
        found, expected = (
            "none" if moment is None else show_instant(moment)
            for moment in (line.watermark_us, book.watermark_us)
        )
        report.disagree("watermark", f"ledger {place}: watermark {found}, expected {expected}")


async def _report_strangers(scene: Scene, ledger: list[LedgerRow]) -> None:
    """Rows and dead letters of partitions the ledger has no line for."""
    known = {(line.topic, line.partition) for line in ledger}
    for topic in SOURCE_TOPICS:
        for partition, count in (await scene.snapshot.stored_counts(topic)).items():
            if (topic, partition) not in known:
                text = f"{count} rows of {topic}[{partition}], which the ledger does not know"
                scene.report.disagree("extra_row", text)
    for (topic, partition), count in (await scene.snapshot.dead_letter_counts()).items():
        if (topic, partition) not in known:
            text = f"{count} dead letters of {topic}[{partition}], which the ledger does not know"
            scene.report.disagree("extra_dead_letter", text)


async def _compare_derived(scene: Scene, settings: Settings) -> None:
    spool, snapshot, report = scene.spool, scene.snapshot, scene.report
    hidden_us = scene.hidden_before_us
    await compare_slots(spool, snapshot, report, hidden_us)
    await compare_windows(spool, snapshot, report, settings.stream.window_seconds, hidden_us)
    outbox = Outbox(spool, snapshot, report, scene.erasures, hidden_us)
    await outbox.load(scene.kafka)
    await outbox.compare_anomalies()
    await outbox.compare_dead_letter_copies()
