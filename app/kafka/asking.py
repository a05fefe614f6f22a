"""The admin client that follows the settings, and says which of them to correct where brokers refuse it."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from app.errors import KafkaTopicError
from app.security.kafka import librdkafka_options
from app.security.refusals import BrokerRefusals, list_topics
from app.settings import KafkaSettings

ANSWER_SECONDS: Final = 10.0
#: Who may not ask for a topic's settings, or asks a broker that knows none, goes on without.
_UNKNOWABLE: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError._UNSUPPORTED_FEATURE,
    KafkaError.UNSUPPORTED_VERSION,
)


def topic_settings(
    client: AdminClient, topics: Collection[str], name: str, seconds: float = ANSWER_SECONDS
) -> Mapping[str, str]:
    """One setting of topics that exist, without those that may not be asked; raises KafkaException."""
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    answers = client.describe_configs(resources, request_timeout=seconds) if resources else {}
    found: dict[str, str] = {}
    for resource, answer in answers.items():
        try:
            found[resource.name] = str(answer.result(seconds)[name].value)
        except KafkaException as error:
            if error.args[0].code() not in _UNKNOWABLE:
                raise
    return found


class KafkaAdmin:
    """Connects with its first question. Raises SettingsError for a file of the settings that is no use."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._bootstrap = kafka.bootstrap
        self._refusals = BrokerRefusals()
        # Faults reach us as exceptions; the client's own log on stderr would only repeat them.
        quiet = {"log_level": 0, "error_cb": self._refusals}
        self.client = AdminClient(quiet | librdkafka_options(kafka))

    def metadata(self) -> Any:
        """The cluster's id and topics. Raises KafkaTopicError when no broker answers or lets us in."""
        try:
            return list_topics(self.client, self._refusals, ANSWER_SECONDS)
        except KafkaException as error:
            raise self.unanswered(error) from error

    def unanswered(self, error: KafkaException | TimeoutError) -> KafkaTopicError:
        """What to tell an operator of a question that failed."""
        if self._refusals.last:
            return KafkaTopicError(f"Kafka at {self._bootstrap}: {self._refusals.last}")
        cause = error.args[0].str() if isinstance(error, KafkaException) else "no answer in time"
        return KafkaTopicError(
            f"Kafka at {self._bootstrap} does not answer ({cause}); "
            "start it or correct GLOBALMART_KAFKA_BOOTSTRAP or GLOBALMART_KAFKA_SECURITY"
        )
