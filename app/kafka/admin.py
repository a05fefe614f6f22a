"""Creates the topics of `app.topics` explicitly, and reads the cluster's metadata."""

from collections.abc import Collection, Mapping
from typing import Any, Final, Self

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from app.errors import KafkaTopicError
from app.kafka.broker_refusals import BrokerRefusals, list_topics
from app.kafka.compaction import CLEANUP_POLICY, compacted, describe, fix
from app.security import librdkafka_options
from app.settings import KafkaSettings
from app.topics import COMPRESSION, DEAD_LETTERS, SOURCE_TOPICS, TOPICS

ANSWER_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 20.0  # of a cluster that may have just started
_LARGEST_RECORD_BYTES: Final = 10 * 1024 * 1024
#: The limit of a dead letter's headers.
HEADER_BYTES: Final = 64 * 1024
#: The setting of a topic that says how its records are compressed.
COMPRESSION_TYPE: Final = "compression.type"
#: Without the permission to read a topic's settings, or a broker that has the request, clients go on without them.
_SETTINGS_UNREADABLE: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError._UNSUPPORTED_FEATURE,
    KafkaError.UNSUPPORTED_VERSION,
)


def topic_settings(
    client: AdminClient, topics: Collection[str], name: str, seconds: float = ANSWER_SECONDS
) -> Mapping[str, str]:
    """Returns one setting of existing topics, without those that must not be read; raises KafkaException."""
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    answers = client.describe_configs(resources, request_timeout=seconds) if resources else {}
    found: dict[str, str] = {}
    for resource, answer in answers.items():
        try:
            found[resource.name] = str(answer.result(seconds)[name].value)
        except KafkaException as error:
            if error.args[0].code() not in _SETTINGS_UNREADABLE:
                raise
    return found


class KafkaAdmin:
    """Connects with its first request; `options` are the client's, addresses and security included."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.bootstrap = options["bootstrap.servers"]
        self._refusals = BrokerRefusals()
        # Faults are raised as exceptions; the client's own log on stderr would only repeat them.
        self.client = AdminClient({"log_level": 0, "error_cb": self._refusals, **options})

    @classmethod
    def of(cls, kafka: KafkaSettings) -> Self:
        """The client of the settings; raises SettingsError for an unusable certificate or key file."""
        return cls(librdkafka_options(kafka))

    def metadata(self, seconds: float = ANSWER_SECONDS) -> Any:
        """Returns the cluster's id and topics. Raises KafkaTopicError when no broker answers or accepts the login."""
        try:
            return list_topics(self.client, self._refusals, seconds)
        except KafkaException as error:
            raise self.request_error(error) from error

    def request_error(self, error: KafkaException | TimeoutError) -> KafkaTopicError:
        """Translates the error of a failed request into one that names the setting to correct."""
        if self._refusals.last:
            return KafkaTopicError(f"Kafka at {self.bootstrap}: {self._refusals.last}")
        cause = error.args[0].str() if isinstance(error, KafkaException) else "no answer in time"
        return KafkaTopicError(
            f"Kafka at {self.bootstrap} does not answer ({cause}); "
            "start it or correct GLOBALMART_KAFKA_BOOTSTRAP or GLOBALMART_KAFKA_SECURITY"
        )


def create_topics(
    bootstrap: str, partitions: int, replication: int, retention_hours: float, options: Mapping[str, str] | None = None
) -> list[str]:
    """Creates every missing topic and returns the names of those created.

    `options` are the client's, security included.

    Raises KafkaTopicError when a topic exists with another number of partitions (users would then move to other
    partitions), when a source topic is compacted (it would lose records), or when the broker does not answer or
    refuses.
    """
    admin = KafkaAdmin({"bootstrap.servers": bootstrap, **(options or {})})
    missing = _missing_topics(admin, partitions)
    if not missing:
        return []
    common = {
        CLEANUP_POLICY: "delete",
        COMPRESSION_TYPE: COMPRESSION,
        "retention.ms": str(int(retention_hours * 3_600_000)),
    }
    wanted = [
        NewTopic(name, partitions, replication, config={**common, "max.message.bytes": str(_largest_bytes(name))})
        for name in missing
    ]
    answers = admin.client.create_topics(wanted, request_timeout=_ANSWER_SECONDS)
    for name, answer in answers.items():
        try:
            answer.result(_ANSWER_SECONDS)
        except KafkaException as error:
            _unless_just_created(name, error)
    return missing


def _largest_bytes(topic: str) -> int:
    """Returns the limit of a record: a dead letter is a whole source record plus headers with the reason."""
    return _LARGEST_RECORD_BYTES + (HEADER_BYTES if topic == DEAD_LETTERS else 0)


def _missing_topics(admin: KafkaAdmin, partitions: int) -> list[str]:
    present = admin.metadata(_ANSWER_SECONDS).topics
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
    _refuse_compaction(admin, [name for name in SOURCE_TOPICS if name in present])
    return [topic.name for topic in TOPICS if topic.name not in present]


def _refuse_compaction(admin: KafkaAdmin, topics: list[str]) -> None:
    try:
        policies = topic_settings(admin.client, topics, CLEANUP_POLICY, _ANSWER_SECONDS)
    except KafkaException as error:
        raise KafkaTopicError(
            f"the settings of the topics of Kafka at {admin.bootstrap} cannot be read ({error.args[0].str()}); "
            "try again"
        ) from error
    if found := compacted(policies, topics):
        raise KafkaTopicError(f"{describe(policies, found)}, so Kafka deletes records; {fix(found)}")


def _unless_just_created(name: str, error: KafkaException) -> None:
    """Raises KafkaTopicError unless another process has just created the same topic."""
    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
        raise KafkaTopicError(f"Kafka refused to create the topic {name}: {error.args[0].str()}") from error
