"""Reads each topic's retention and compression from the broker, and sets them."""

from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from app.errors import SettingsError
from app.kafka.admin import COMPRESSION_TYPE, KafkaAdmin
from app.settings import Settings
from app.topics import COMPRESSION, TOPICS

_ANSWER_SECONDS: Final = 20.0
_NAME: Final = "retention.ms"
_SEGMENT: Final = "segment.ms"
#: The broker's default: records stay as the producer sent them. Nobody has chosen a compression for such a topic.
_NOT_CHOSEN: Final = "producer"


@dataclass(frozen=True, slots=True)
class TopicRetention:
    """A topic's retention in milliseconds: the current one, and that of the settings.

    A record may stay for `segment_ms` longer: Kafka deletes whole segments. A negative retention is forever.
    `compression` is the topic's `compression.type`.
    """

    topic: str
    found_ms: int
    wanted_ms: int
    segment_ms: int = 0
    compression: str = COMPRESSION

    @property
    def needs_compression(self) -> bool:
        """Whether nobody has chosen a compression for the topic, as in topics made by earlier versions."""
        return self.compression == _NOT_CHOSEN

    @property
    def is_as_wanted(self) -> bool:
        """Whether there is nothing to set."""
        return self.found_ms == self.wanted_ms and not self.needs_compression

    @property
    def wanted_settings(self) -> dict[str, str]:
        """The topic's settings to set; a compression that somebody has chosen is not among them."""
        compression = {COMPRESSION_TYPE: COMPRESSION} if self.needs_compression else {}
        return {_NAME: str(self.wanted_ms), **compression}


def wanted_hours(settings: Settings) -> dict[str, float]:
    """Returns hours by topic, from the settings; raises SettingsError for an unknown topic."""
    exceptions = settings.retention.hours_by_topic
    unknown = sorted(exceptions.keys() - {topic.name for topic in TOPICS})
    if unknown:
        variable = settings.retention.variable("topic_hours")
        raise SettingsError(f"{variable}: no such topic: {', '.join(unknown)}")
    return {topic.name: exceptions.get(topic.name, settings.kafka.retention_hours) for topic in TOPICS}


def topic_retention(settings: Settings) -> list[TopicRetention]:
    """Returns the current and the wanted retention; raises KafkaTopicError if the broker does not answer."""
    admin = KafkaAdmin.of(settings.kafka)
    wanted = wanted_hours(settings)
    present = admin.metadata().topics
    try:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in wanted if name in present]
        answers = admin.client.describe_configs(resources) if resources else {}
        found = {r.name: a.result(_ANSWER_SECONDS) for r, a in answers.items()}
    except KafkaException as error:
        raise admin.request_error(error) from error
    return [
        TopicRetention(
            name,
            int(config[_NAME].value),
            round(wanted[name] * 3_600_000),
            int(config[_SEGMENT].value),
            config[COMPRESSION_TYPE].value,
        )
        for name, config in found.items()
    ]


def set_retention(settings: Settings, topics: list[TopicRetention]) -> None:
    """Sets the wanted retention of the topics, and their compression where nobody has chosen one."""
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            topic.topic,
            incremental_configs=[
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                for name, value in topic.wanted_settings.items()
            ],
        )
        for topic in topics
    ]
    if not resources:
        return
    admin = KafkaAdmin.of(settings.kafka)
    try:
        for answer in admin.client.incremental_alter_configs(resources).values():
            answer.result(_ANSWER_SECONDS)
    except KafkaException as error:
        raise admin.request_error(error) from error
