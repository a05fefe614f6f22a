"""What `globalmart doctor` asks of Kafka."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.kafka.offsets import RecordPosition, cluster_id, newest_record, offset_ranges, partition_counts
from app.ops.doctor.findings import Finding
from app.settings import KafkaSettings
from app.topics import SOURCE_TOPICS, TOPICS

_AREA = "Kafka"


@dataclass(frozen=True, slots=True)
class KafkaState:
    """One look: `ranges` are first and next offset per source partition."""

    cluster_id: str
    partitions: Mapping[str, int]
    ranges: Mapping[RecordPosition, tuple[int, int]]
    newest: datetime | None
    seen_at: datetime


def collect_kafka(kafka: KafkaSettings) -> KafkaState:
    """Ask once. Raises KafkaTopicError when no broker answers or lets us in."""
    return KafkaState(
        cluster_id(kafka),
        partition_counts(kafka),
        offset_ranges(kafka, SOURCE_TOPICS),
        newest_record(kafka, SOURCE_TOPICS),
        datetime.now(UTC),
    )


def check_kafka(state: KafkaState, settings: KafkaSettings, tolerance_seconds: float) -> Iterator[Finding]:
    """Topics, their partitions, and clocks of producers."""
    missing = [topic.name for topic in TOPICS if topic.name not in state.partitions]
    if missing:
        yield Finding(_AREA, f"topics are missing: {', '.join(missing)}", "run `globalmart migrate`")
    differing = [
        f"{topic.name} has {state.partitions[topic.name]}"
        for topic in TOPICS
        if state.partitions.get(topic.name, settings.partitions) != settings.partitions
    ]
    if differing:
        yield Finding(
            _AREA,
            f"topics have other partitions than {settings.partitions}: {', '.join(differing)}",
            "set GLOBALMART_KAFKA_PARTITIONS to theirs, or see Scale out in app/ops/README.md",
        )
    if state.newest is not None:
        ahead = (state.newest - state.seen_at).total_seconds()
        if ahead > tolerance_seconds:
            yield Finding(
                _AREA,
                f"the newest record is {ahead:.0f} s ahead of this machine's clock",
                "set the clocks of producers, brokers and this machine by NTP",
            )


def check_ledger_against_kafka(
    state: KafkaState, ledger_cluster: str | None, offsets: Mapping[RecordPosition, int]
) -> Iterator[Finding]:
    """Whether the ledger speaks of this Kafka, and whether what it has not seen is still there."""
    if ledger_cluster is not None and ledger_cluster != state.cluster_id:
        yield Finding(
            _AREA,
            f"the database has consumed cluster {ledger_cluster}, this one is {state.cluster_id}",
            "correct GLOBALMART_KAFKA_BOOTSTRAP, or use an empty database",
        )
        return
    for place, (first, end) in sorted(state.ranges.items()):
        committed = offsets.get(place, 0)
        name = f"{place[0]}[{place[1]}]"
        if committed > end:
            yield Finding(
                _AREA,
                f"the ledger has committed offset {committed} of {name} and Kafka ends at {end}",
                "connect the right Kafka, or use an empty database",
            )
        elif committed < first and place in offsets:
            yield Finding(
                _AREA,
                f"offsets {committed} to {first - 1} of {name} were deleted before they were consumed",
                "restore them, or set GLOBALMART_WORKER_ACCEPT_LOST_OFFSETS to true",
            )
