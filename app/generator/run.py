"""Runs a job against Kafka: producer, pacing, progress, stop and summary."""

from dataclasses import dataclass
from threading import Event

from app.generator.jobs import Job
from app.generator.playback import FOREVER_US, Limits, Pacer, Progress, WallClock, play_flat_out, play_paced
from app.generator.sender import DeliveryError, KafkaSender, Say, producer_config
from app.generator.summary import Outcome
from app.kafka.admin import create_topics
from app.security.kafka import librdkafka_options
from app.settings import Settings


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
    limits = _limits(job, bounds, begin_us, stop)
    pacer = _pacer(job, settings, begin_us)
    error = _play(job, sender, pacer, clock, limits, settings, progress)
    seconds = (clock.now_us() - begin_us) / 1_000_000
    return Outcome(limits.sent, seconds, pacer.skipped_us / 1_000_000, error)


def _play(
    job: Job,
    sender: KafkaSender,
    pacer: Pacer,
    clock: WallClock,
    limits: Limits,
    settings: Settings,
    progress: Progress,
) -> str:
    generator = settings.generator
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


def _limits(job: Job, bounds: RunLimits, begin_us: int, stop: Event) -> Limits:
    return Limits(
        stop.is_set,
        end_us=job.end_us,
        wall_end_us=FOREVER_US if bounds.seconds is None else begin_us + int(bounds.seconds * 1e6),
        count=FOREVER_US if bounds.count is None else bounds.count,
    )


def _pacer(job: Job, settings: Settings, begin_us: int) -> Pacer:
    generator = settings.generator
    catch_up_max_us = int(generator.catch_up_max_seconds * 1_000_000)
    return Pacer(begin_us, job.start_us, job.speed or 1.0, generator.catch_up_factor, catch_up_max_us)
