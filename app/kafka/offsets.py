"""Reads offsets, newest records and partitions of topics from Kafka, with a time limit."""

import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import ListOffsetsResultInfo, OffsetSpec

from app.kafka.admin import ANSWER_SECONDS, KafkaAdmin, topic_settings
from app.settings import KafkaSettings

RecordPosition = tuple[str, int]

_PAUSE_SECONDS: Final = 0.2
_NO_TIMESTAMP: Final = -1
_LEADER_CHANGES: Final = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)


def partition_counts(kafka: KafkaSettings) -> Mapping[str, int]:
    """Returns the number of partitions of every topic. Raises KafkaTopicError when no broker answers."""
    return _partition_counts(KafkaAdmin.of(kafka))


def settings_of_topics(kafka: KafkaSettings, topics: Collection[str], *names: str) -> Mapping[str, Mapping[str, str]]:
    """Returns settings by name and topic, without topics that are missing or must not be read.

    Raises KafkaTopicError when no broker answers.
    """
    admin = KafkaAdmin.of(kafka)
    present = [topic for topic in topics if topic in admin.metadata().topics]
    try:
        return {name: topic_settings(admin.client, present, name) for name in names}
    except (KafkaException, TimeoutError) as error:
        raise admin.request_error(error) from error


def cluster_id(kafka: KafkaSettings) -> str:
    """Returns the cluster's id. Raises KafkaTopicError when no broker answers."""
    return str(KafkaAdmin.of(kafka).metadata().cluster_id)


def offset_ranges(kafka: KafkaSettings, topics: Collection[str]) -> Mapping[RecordPosition, tuple[int, int]]:
    """Returns per partition the first offset still there and the next one, without unknown topics.

    Raises KafkaTopicError when no broker answers.
    """
    admin = KafkaAdmin.of(kafka)
    first = _list_offsets(admin, topics, OffsetSpec.earliest())
    end = _list_offsets(admin, topics, OffsetSpec.latest())
    return {
        (place.topic, place.partition): (first[place].offset, info.offset)
        for place, info in end.items()
        if place in first
    }


def end_offsets(kafka: KafkaSettings, topics: Collection[str]) -> Mapping[RecordPosition, int]:
    """Returns per partition of these topics the offset of the next record, without unknown topics.

    Raises KafkaTopicError when no broker answers.
    """
    found = _list_offsets(KafkaAdmin.of(kafka), topics, OffsetSpec.latest())
    return {(place.topic, place.partition): info.offset for place, info in found.items()}


def newest_record(kafka: KafkaSettings, topics: Collection[str]) -> datetime | None:
    """Returns the Kafka timestamp of the newest record of these topics, UTC; None without a record.

    Raises KafkaTopicError when no broker answers.
    """
    found = _list_offsets(KafkaAdmin.of(kafka), topics, OffsetSpec.max_timestamp())
    newest_ms = max((info.timestamp for info in found.values()), default=_NO_TIMESTAMP)
    if newest_ms <= _NO_TIMESTAMP:
        return None
    return datetime.fromtimestamp(newest_ms / 1000, UTC)


def _partition_counts(admin: KafkaAdmin) -> Mapping[str, int]:
    return {name: len(topic.partitions) for name, topic in admin.metadata().topics.items()}


def _list_offsets(
    admin: KafkaAdmin, topics: Collection[str], spec: OffsetSpec
) -> Mapping[TopicPartition, ListOffsetsResultInfo]:
    counts = _partition_counts(admin)
    request = {TopicPartition(topic, partition): spec for topic in topics for partition in range(counts.get(topic, 0))}
    if not request:
        return {}
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        answers = admin.client.list_offsets(request, request_timeout=ANSWER_SECONDS)
        try:
            return {place: answer.result(ANSWER_SECONDS) for place, answer in answers.items()}
        except (KafkaException, TimeoutError) as error:
            if not _leaders_change(error) or time.monotonic() > deadline:
                raise admin.request_error(error) from error
        time.sleep(_PAUSE_SECONDS)


def _leaders_change(error: KafkaException | TimeoutError) -> bool:
    """Whether leaders are only changing, as they do right after topics were created."""
    return isinstance(error, KafkaException) and error.args[0].code() in _LEADER_CHANGES
