"""Reads each topic's retention from the broker, and sets it."""

from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from app.errors import SettingsError
from app.kafka.admin import KafkaAdmin
from app.settings import Settings
from app.topics import TOPICS

_ANSWER_SECONDS: Final = 20.0
_NAME: Final = "retention.ms"
_SEGMENT: Final = "segment.ms"


@dataclass(frozen=True, slots=True)
class TopicRetention:
    """A topic's retention in milliseconds: the current one, and that of the settings.

    A record may stay for `segment_ms` longer: Kafka deletes whole segments. A negative retention is forever.
    """

    topic: str
    found_ms: int
    wanted_ms: int
    segment_ms: int = 0


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
        TopicRetention(name, int(config[_NAME].value), round(wanted[name] * 3_600_000), int(config[_SEGMENT].value))
        for name, config in found.items()
    ]


def set_retention(settings: Settings, topics: list[TopicRetention]) -> None:
    """Sets the wanted retention of the topics."""
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            topic.topic,
            incremental_configs=[ConfigEntry(_NAME, str(topic.wanted_ms), incremental_operation=AlterConfigOpType.SET)],
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
