"""Copies that an erasure cannot reach, and until when they exist."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.ops.retention.topic_retention import TopicRetention, topic_retention
from app.settings import Settings
from app.topics import ANOMALIES, DEAD_LETTERS, USER_TOPICS

_TOPICS: Final = {*USER_TOPICS, ANOMALIES, DEAD_LETTERS}
_ELSEWHERE: Final = (
    ("backups", "until you delete those made before; after a restore of one erase the user again"),
    (
        "PostgreSQL's write-ahead log, its archive and replicas",
        "until checkpoints recycle the log and you delete the archive",
    ),
    (
        "dead rows and freed space in PostgreSQL's files",
        "until vacuum and new rows overwrite them; no query reads them",
    ),
    (
        "MongoDB's journal and oplog, freed blocks, object versions of the lake's storage",
        "until they are overwritten or expire there",
    ),
    ("memory of workers", "until the next event of the partition, or a restart"),
    (
        "memory of the API, pages in browsers and dashboards",
        "the API's until it has polled the warehouse, some seconds; pages until they are reloaded",
    ),
    ("logs with URLs of requests for the user, and other consumers of the topics or the API", "not known here"),
)


@dataclass(frozen=True, slots=True)
class RemainingCopy:
    """A place where copies remain and until when, in words; `at_the_latest` if that is known."""

    where: str
    until: str
    at_the_latest: datetime | None = None


def remaining_copies(settings: Settings, now: datetime) -> list[RemainingCopy]:
    """Returns all of them, topics with the broker's retention; raises KafkaTopicError if it does not answer."""
    topics = [_topic(found, now) for found in topic_retention(settings) if found.topic in _TOPICS]
    return [*topics, *(RemainingCopy(where, until) for where, until in _ELSEWHERE)]


def _topic(found: TopicRetention, now: datetime) -> RemainingCopy:
    where = f"Kafka topic {found.topic}"
    if found.found_ms < 0:
        return RemainingCopy(where, "forever: the topic has no retention")
    latest = now + timedelta(milliseconds=found.found_ms + found.segment_ms)
    hours = found.found_ms / 3_600_000
    return RemainingCopy(where, f"{hours:g} h and the rest of its segment", latest)
