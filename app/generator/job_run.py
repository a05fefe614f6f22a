"""Runs a job against Kafka: producer, pacing, progress, stop and summary."""

from dataclasses import dataclass
from threading import Event
from typing import Any

from app.generator.jobs import Imported, Job
from app.generator.playback import FOREVER_US, Limits, Pacer, Progress, WallClock, play_flat_out, play_paced
from app.generator.record import timestamp_text
from app.generator.sender import DeliveryError, KafkaSender, Say, producer_config
from app.kafka.admin import create_topics
from app.security import librdkafka_options
from app.settings import GeneratorSettings, Settings


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went: records handed to Kafka, wall seconds, stall skipped, and what was wrong."""

    sent: int
    seconds: float
    skipped_seconds: float = 0.0
    error: str = ""


def summary(job: Job, seed: int | None, outcome: Outcome, *, limited: bool = False) -> dict[str, Any]:
    """Return everything an acceptance check needs: expected ledger figures and injected faults.

    `limited`: the run was to end early, so that orders of a file may be missing.
    """
    per_second = outcome.sent / outcome.seconds if outcome.seconds > 0 else 0.0
    error = outcome.error or ("" if limited or job.imported is None else shortfall(job.imported))
    return {
        "mode": job.mode,
        "run_id": job.run_id,
        "seed": seed,
        "start": timestamp_text(job.start_us),
        "sent": outcome.sent,
        "seconds": round(outcome.seconds, 3),
        "records_per_second": round(per_second, 1),
        "skipped_stall_seconds": round(outcome.skipped_seconds, 3),
        "skipped_rows": job.imported.report.refused.total() if job.imported else 0,
        "delivered": not error,
        "error": error,
        **job.source.counts.report(),
        **({"file": _file_figures(job.imported)} if job.imported else {}),
    }


def shortfall(imported: Imported) -> str:
    """Why the ledger will show less than the file, or an empty text."""
    if not imported.missing:
        return ""
    expired = imported.source.expired
    if expired:
        return (
            f"{expired:,} orders became older than the retention of orders before they were sent: leave them "
            f"out, or import without --speed"
        )
    return (
        f"the import was stopped: {imported.missing:,} of {imported.report.orders:,} orders were not sent. Run the "
        f"same command again: what is stored already is not counted twice"
    )


def _file_figures(imported: Imported) -> dict[str, Any]:
    return {
        **imported.report.json(),
        "sent": imported.source.sent,
        "sent_sum": str(imported.source.total),
        "not_sent": imported.missing,
    }


def lines(job: Job, figures: dict[str, Any]) -> list[str]:
    """Return the summary for people."""
    sent = (
        f"sent {figures['sent']:,} records in {figures['seconds']:.1f} s "
        f"({figures['records_per_second']:,.0f}/s), run {figures['run_id']}"
    )
    if job.imported is not None:
        return [sent, *_import_lines(job.imported)]
    result = [sent]
    for topic, counts in figures["topics"].items():
        text = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in counts.items())
        result.append(f"  {topic}: {text}")
    for group in ("injected", "malformed", "forgiven"):
        if figures[group]:
            text = ", ".join(f"{name} {n:,}" for name, n in figures[group].items())
            result.append(f"  {group}: {text}")
    return result


def _import_lines(imported: Imported) -> list[str]:
    """What the file holds, and what the ledger should show of it."""
    source = imported.source
    left = imported.report.total - source.total
    missing = [f"  not sent: {imported.missing:,} orders, sum {left:,}"] if imported.missing else []
    return [
        *imported.report.text(),
        *missing,
        f"  the ledger should show: {source.sent:,} orders stored, sum {source.total:,} (an order that was imported "
        f"before counts as a duplicate and is not stored again)",
    ]


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Wall seconds and records after which a run ends; None is no limit."""

    seconds: float | None = None
    count: int | None = None


def run_job(
    job: Job, settings: Settings, bounds: RunLimits, stop: Event, say: Say, progress: Progress, *, bulk: bool
) -> Outcome:
    """Waits for Kafka, plays the job until its end, a limit or the stop, and delivers everything.

    Live traffic begins after the wait. The outcome's `error` describes undelivered records; raises KafkaTopicError for
    topics with another number of partitions.
    """
    kafka = settings.kafka
    config = producer_config(kafka, settings.generator, bulk=bulk)
    sender = KafkaSender(config, say, stop.is_set)
    if sender.wait_for_broker():
        create_topics(
            kafka.bootstrap, kafka.partitions, kafka.replication, kafka.retention_hours, librdkafka_options(kafka)
        )
    clock = WallClock(stop)
    begin_us = clock.now_us()
    limits = Limits(
        stop.is_set,
        end_us=job.end_us,
        wall_end_us=FOREVER_US if bounds.seconds is None else begin_us + int(bounds.seconds * 1e6),
        count=FOREVER_US if bounds.count is None else bounds.count,
    )
    generator = settings.generator
    catch_up_max_us = int(generator.catch_up_max_seconds * 1_000_000)
    pacer = Pacer(begin_us, job.start_us, job.speed or 1.0, generator.catch_up_factor, catch_up_max_us)
    error = _play(job, sender, pacer, clock, limits, generator, progress)
    seconds = (clock.now_us() - begin_us) / 1_000_000
    return Outcome(limits.sent, seconds, pacer.skipped_us / 1_000_000, error)


def _play(
    job: Job,
    sender: KafkaSender,
    pacer: Pacer,
    clock: WallClock,
    limits: Limits,
    generator: GeneratorSettings,
    progress: Progress,
) -> str:
    try:
        if job.speed is None:
            play_flat_out(
                job.source, sender, clock, limits, progress, follow_wall=job.follow_wall, record_now=job.record_now
            )
        else:
            tick = generator.tick_seconds
            play_paced(job.source, sender, pacer, clock, limits, tick, progress, record_now=job.record_now)
        sender.flush(generator.flush_timeout_seconds)
    except DeliveryError as error:
        return str(error)
    return ""
