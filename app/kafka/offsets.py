"""What Kafka says of its topics: ends, newest records, partitions; asked once, with a limit."""

import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ListOffsetsResultInfo, OffsetSpec

from app.errors import KafkaTopicError

Place = tuple[str, int]

_ANSWER_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.2
_NO_TIMESTAMP: Final = -1
_LEADERS_CHANGE: Final = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)


def partition_counts(bootstrap: str) -> Mapping[str, int]:
    """Partitions of every topic there is. Raises KafkaTopicError when no broker answers."""
    return _partition_counts(_client(bootstrap), bootstrap)


def cluster_id(bootstrap: str) -> str:
    """What Kafka calls itself. Raises KafkaTopicError when no broker answers."""
    client = _client(bootstrap)  # must outlive its answer
    try:
        answer = client.describe_cluster(request_timeout=_ANSWER_SECONDS)
        return str(answer.result(_ANSWER_SECONDS).cluster_id)
    except (KafkaException, TimeoutError) as error:
        raise _silent(bootstrap, error) from error


def offset_ranges(bootstrap: str, topics: Collection[str]) -> Mapping[Place, tuple[int, int]]:
    """Per partition the first offset still there and the next one; unknown topics are left out.

    Raises KafkaTopicError when no broker answers.
    """
    client = _client(bootstrap)
    first = _ask(client, bootstrap, topics, OffsetSpec.earliest())
    end = _ask(client, bootstrap, topics, OffsetSpec.latest())
    return {
        (place.topic, place.partition): (first[place].offset, info.offset)
        for place, info in end.items()
        if place in first
    }


def end_offsets(bootstrap: str, topics: Collection[str]) -> Mapping[Place, int]:
    """Per partition of these topics the offset the next record will get; unknown topics are left out.

    Raises KafkaTopicError when no broker answers.
    """
    client = _client(bootstrap)
    found = _ask(client, bootstrap, topics, OffsetSpec.latest())
    return {(place.topic, place.partition): info.offset for place, info in found.items()}


def newest_record(bootstrap: str, topics: Collection[str]) -> datetime | None:
    """Kafka timestamp of the newest record of these topics, UTC; None where there is none.

    Raises KafkaTopicError when no broker answers.
    """
    found = _ask(_client(bootstrap), bootstrap, topics, OffsetSpec.max_timestamp())
    newest_ms = max((info.timestamp for info in found.values()), default=_NO_TIMESTAMP)
    if newest_ms <= _NO_TIMESTAMP:
        return None
    return datetime.fromtimestamp(newest_ms / 1000, UTC)


def _client(bootstrap: str) -> AdminClient:
    # Faults reach us as exceptions; the client's own log on stderr would only repeat them.
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def _partition_counts(client: AdminClient, bootstrap: str) -> Mapping[str, int]:
    try:
        topics = client.list_topics(timeout=_ANSWER_SECONDS).topics
    except KafkaException as error:
        raise _silent(bootstrap, error) from error
    return {name: len(topic.partitions) for name, topic in topics.items()}


def _ask(
    client: AdminClient, bootstrap: str, topics: Collection[str], spec: OffsetSpec
) -> Mapping[TopicPartition, ListOffsetsResultInfo]:
    counts = _partition_counts(client, bootstrap)
    asked = {
        TopicPartition(topic, partition): spec
        for topic in topics
        for partition in range(counts.get(topic, 0))
    }
    if not asked:
        return {}
    deadline = time.monotonic() + _ANSWER_SECONDS
    while True:
        answers = client.list_offsets(asked, request_timeout=_ANSWER_SECONDS)
        try:
            return {place: answer.result(_ANSWER_SECONDS) for place, answer in answers.items()}
        except (KafkaException, TimeoutError) as error:
            if not _settles(error) or time.monotonic() > deadline:
                raise _silent(bootstrap, error) from error
        time.sleep(_PAUSE_SECONDS)


def _settles(error: KafkaException | TimeoutError) -> bool:
    """Whether leaders are only changing, as they do right after topics were made."""
    return isinstance(error, KafkaException) and error.args[0].code() in _LEADERS_CHANGE


def _silent(bootstrap: str, error: KafkaException | TimeoutError) -> KafkaTopicError:
    cause = error.args[0].str() if isinstance(error, KafkaException) else "no answer in time"
    return KafkaTopicError(
        f"Kafka at {bootstrap} does not answer ({cause}); "
        "start it or correct GLOBALMART_KAFKA_BOOTSTRAP"
    )
