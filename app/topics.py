"""The table of Kafka topics: name, key and purpose.

Topics are created from this table and never by the broker itself: an auto-created topic has one
partition, and the number of partitions determines the partition of each user permanently.
"""

from dataclasses import dataclass
from typing import Final

TRANSACTIONS: Final = "transactions"
PRODUCT_VIEWS: Final = "product_views"
CART_EVENTS: Final = "cart_events"
SYSTEM_METRICS: Final = "system_metrics"
ANOMALIES: Final = "anomalies"
DEAD_LETTERS: Final = "dead_letters"

#: Record header with the producer's send time: Unix time in milliseconds, as ASCII digits.
SENT_AT_HEADER: Final = "sent_at_ms"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic of the product; `key` names the field whose UTF-8 bytes are the record key."""

    name: str
    key: str
    source: bool
    purpose: str


TOPICS: Final[tuple[TopicSpec, ...]] = (
    TopicSpec(TRANSACTIONS, "user_id", True, "orders"),
    TopicSpec(PRODUCT_VIEWS, "user_id", True, "views of product pages"),
    TopicSpec(CART_EVENTS, "user_id", True, "items added, removed, checked out"),
    TopicSpec(SYSTEM_METRICS, "host", True, "measurements of the shop's hosts"),
    TopicSpec(ANOMALIES, "transaction_id:type", False, "raised anomalies, at least once"),
    TopicSpec(DEAD_LETTERS, "source key", False, "rejected records, raw, with the reason"),
)

SOURCE_TOPICS: Final[tuple[str, ...]] = tuple(topic.name for topic in TOPICS if topic.source)
#: The topics with user data, which the batch archives.
USER_TOPICS: Final[tuple[str, ...]] = tuple(topic.name for topic in TOPICS if topic.source and topic.key == "user_id")
