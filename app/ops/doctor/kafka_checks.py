"""The checks of Kafka by `globalmart doctor`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.kafka.admin import HEADER_BYTES
from app.kafka.compaction import CLEANUP_POLICY, compacted, describe, fix
from app.kafka.offsets import (
    RecordPosition,
    cluster_id,
    newest_record,
    offset_ranges,
    partition_counts,
    settings_of_topics,
)
from app.ops.doctor.findings import Finding
from app.settings import KafkaSettings
from app.topics import DEAD_LETTERS, SOURCE_TOPICS, TOPICS

_AREA = "Kafka"
_LARGEST = "max.message.bytes"


@dataclass(frozen=True, slots=True)
class KafkaState:
    """Kafka's state; `ranges` are first and next offset per source partition.

    `policies` and `largest_bytes` are `cleanup.policy` and `max.message.bytes` by topic, where they may be read.
    """

    cluster_id: str
    partitions: Mapping[str, int]
    ranges: Mapping[RecordPosition, tuple[int, int]]
    newest: datetime | None
    seen_at: datetime
    policies: Mapping[str, str] = field(default_factory=dict)
    largest_bytes: Mapping[str, int] = field(default_factory=dict)


def collect_kafka(kafka: KafkaSettings) -> KafkaState:
    """Reads Kafka's state once. Raises KafkaTopicError when no broker answers or accepts the login."""
    names = [topic.name for topic in TOPICS]
    topic_settings = settings_of_topics(kafka, names, CLEANUP_POLICY, _LARGEST)
    return KafkaState(
        cluster_id(kafka),
        partition_counts(kafka),
        offset_ranges(kafka, SOURCE_TOPICS),
        newest_record(kafka, SOURCE_TOPICS),
        datetime.now(UTC),
        topic_settings[CLEANUP_POLICY],
        {topic: int(value) for topic, value in topic_settings[_LARGEST].items()},
    )


def check_kafka(state: KafkaState, settings: KafkaSettings, tolerance_seconds: float) -> Iterator[Finding]:
    """Checks topics, their partitions, and the clocks of producers."""
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
    yield from _check_policies(state.policies)
    yield from _check_sizes(state.largest_bytes)
    if state.newest is not None:
        ahead = (state.newest - state.seen_at).total_seconds()
        if ahead > tolerance_seconds:
            yield Finding(
                _AREA,
                f"the newest record is {ahead:.0f} s ahead of this machine's clock",
                "set the clocks of producers, brokers and this machine by NTP",
            )


def _check_policies(policies: Mapping[str, str]) -> Iterator[Finding]:
    """Reports compacted topics: Kafka deletes records of them, and rejects records without a key."""
    if found := compacted(policies, [topic.name for topic in TOPICS]):
        yield Finding(_AREA, f"{describe(policies, found)}, so Kafka deletes records", fix(found))


def _check_sizes(largest_bytes: Mapping[str, int]) -> Iterator[Finding]:
    """Reports a limit of dead letters below that of source records plus headers: the largest lose their value."""
    limit = largest_bytes.get(DEAD_LETTERS)
    largest = max((largest_bytes.get(topic, 0) for topic in SOURCE_TOPICS), default=0)
    if limit is not None and limit < largest + HEADER_BYTES:
        yield Finding(
            _AREA,
            f"{DEAD_LETTERS} accepts records of {limit:,} bytes, the source topics of {largest:,}: the largest dead "
            "letters are copied without their value",
            f"set {_LARGEST}={largest + HEADER_BYTES} on {DEAD_LETTERS}",
        )


def check_ledger_against_kafka(
    state: KafkaState, ledger_cluster: str | None, offsets: Mapping[RecordPosition, int]
) -> Iterator[Finding]:
    """Checks that the ledger belongs to this Kafka, and that records it has not consumed still exist."""
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
