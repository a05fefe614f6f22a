"""The Kafka topics: the source topics by their declarations, and the two that the platform writes.

Topics are created from this list and never by the broker itself: an auto-created topic has one
partition, and the number of partitions determines the partition of each user permanently.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.events.topics import cart_events, product_views, system_metrics, transactions
from app.events.topics.declaration import SourceTopic

#: The declarations of the source topics, by name.
SOURCES: Final[Mapping[str, SourceTopic[Any]]] = {
    topic.name: topic for topic in (transactions.TOPIC, product_views.TOPIC, cart_events.TOPIC, system_metrics.TOPIC)
}

TRANSACTIONS: Final = transactions.TOPIC.name
PRODUCT_VIEWS: Final = product_views.TOPIC.name
CART_EVENTS: Final = cart_events.TOPIC.name
SYSTEM_METRICS: Final = system_metrics.TOPIC.name
ANOMALIES: Final = "anomalies"
DEAD_LETTERS: Final = "dead_letters"

#: Record header with the producer's send time: Unix time in milliseconds, as ASCII digits.
SENT_AT_HEADER: Final = "sent_at_ms"

#: Topics are created with this `compression.type`, and producers of our own compress so, which spares the broker it.
COMPRESSION: Final = "zstd"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic of the product; `key` names the field whose UTF-8 bytes are the record key."""

    name: str
    key: str
    source: bool
    purpose: str


TOPICS: Final[tuple[TopicSpec, ...]] = (
    *(TopicSpec(topic.name, topic.record_key, True, topic.purpose) for topic in SOURCES.values()),
    TopicSpec(ANOMALIES, "transaction_id:type", False, "raised anomalies, at least once"),
    TopicSpec(DEAD_LETTERS, "source key", False, "rejected records, raw, with the reason"),
)

SOURCE_TOPICS: Final = tuple(SOURCES)
#: The topics with data of users, which an erasure renames.
USER_TOPICS: Final = tuple(topic.name for topic in SOURCES.values() if topic.personal)
#: The topics whose rows the batch copies to the lake.
ARCHIVED_TOPICS: Final = tuple(topic.name for topic in SOURCES.values() if topic.archived)
