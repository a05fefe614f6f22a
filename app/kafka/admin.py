"""Creates the topics of `app.topics` explicitly; the broker never creates one by itself."""

from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from app.errors import KafkaTopicError
from app.kafka.asking import topic_settings
from app.kafka.compaction import CLEANUP_POLICY, compacting, compacts, cure
from app.security.refusals import BrokerRefusals, list_topics
from app.topics import DEAD_LETTERS, SOURCE_TOPICS, TOPICS

_ANSWER_SECONDS: Final = 20.0
_LARGEST_RECORD_BYTES: Final = 10 * 1024 * 1024
#: What the headers of a dead letter may take.
HEADER_BYTES: Final = 64 * 1024


def create_topics(
    bootstrap: str,
    partitions: int,
    replication: int,
    retention_hours: float,
    options: Mapping[str, str] | None = None,
) -> list[str]:
    """Create every topic that is missing and return the names of those created.

    `options` are the client's, security included, where brokers ask for any.

    Raises KafkaTopicError when a topic exists with another number of partitions (users would then
    meet in other partitions than before), when a source topic compacts (it would lose records), or when the broker
    does not answer or refuses.
    """
    # Faults reach us as exceptions; the client's own log on stderr would only repeat them.
    refusals = BrokerRefusals()
    quiet = {"bootstrap.servers": bootstrap, "log_level": 0, "error_cb": refusals}
    admin = AdminClient(quiet | dict(options or {}))
    missing = _missing_topics(admin, bootstrap, partitions, refusals)
    if not missing:
        return []
    retention_ms = str(int(retention_hours * 3_600_000))
    wanted = [
        NewTopic(
            name, partitions, replication,
            config={
                CLEANUP_POLICY: "delete", "retention.ms": retention_ms,
                "max.message.bytes": str(_largest_bytes(name)),
            },
        )
        for name in missing
    ]  # fmt: skip
    answers = admin.create_topics(wanted, request_timeout=_ANSWER_SECONDS)
    for name, answer in answers.items():
        try:
            answer.result(_ANSWER_SECONDS)
        except KafkaException as error:
            _unless_just_created(name, error)
    return missing


def _largest_bytes(topic: str) -> int:
    """A dead letter is a whole source record and the headers that say why it was refused."""
    return _LARGEST_RECORD_BYTES + (HEADER_BYTES if topic == DEAD_LETTERS else 0)


def _missing_topics(
    admin: AdminClient, bootstrap: str, partitions: int, refusals: BrokerRefusals
) -> list[str]:
    try:
        present = list_topics(admin, refusals, _ANSWER_SECONDS).topics
    except KafkaException as error:
        if refusals.last:
            raise KafkaTopicError(f"Kafka at {bootstrap}: {refusals.last}") from error
        raise KafkaTopicError(
            f"Kafka at {bootstrap} does not answer ({error.args[0].str()}); "
            "start it or correct GLOBALMART_KAFKA_BOOTSTRAP or GLOBALMART_KAFKA_SECURITY"
        ) from error
    differing = [
        f"{topic.name} has {len(present[topic.name].partitions)}"
        for topic in TOPICS
        if topic.name in present and len(present[topic.name].partitions) != partitions
    ]
    if differing:
        raise KafkaTopicError(
            f"topics exist with another number of partitions than {partitions}: "
            f"{', '.join(differing)}; "
            "set GLOBALMART_KAFKA_PARTITIONS to theirs, or drain and re-create the topics"
        )
    _refuse_compaction(admin, bootstrap, [name for name in SOURCE_TOPICS if name in present])
    return [topic.name for topic in TOPICS if topic.name not in present]


def _refuse_compaction(admin: AdminClient, bootstrap: str, topics: list[str]) -> None:
    try:
        policies = topic_settings(admin, topics, CLEANUP_POLICY, _ANSWER_SECONDS)
    except KafkaException as error:
        raise KafkaTopicError(
            f"Kafka at {bootstrap} does not say how its topics are set ({error.args[0].str()}); try again"
        ) from error
    if found := compacting(policies, topics):
        raise KafkaTopicError(
            f"{compacts(policies, found)}, so Kafka deletes records; {cure(found)}"
        )


def _unless_just_created(name: str, error: KafkaException) -> None:
    """Two processes may create the same topics at once; the second finds them made."""
    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
        raise KafkaTopicError(
            f"Kafka refused to create the topic {name}: {error.args[0].str()}"
        ) from error
