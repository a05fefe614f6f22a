"""Topics created for every test, and requests to Kafka about them."""

from typing import Any, Final

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from app.kafka.admin import create_topics
from app.topics import SOURCE_TOPICS, TOPICS
from tests.support.waiting import PATIENCE_SECONDS, wait_until

PARTITIONS: Final = 6

Partition = tuple[str, int]


def admin_client(bootstrap: str) -> AdminClient:
    """An admin client that keeps quiet while a broker is down."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def recreate_topics(bootstrap: str, partitions: int = PARTITIONS) -> None:
    """Delete the product's topics, wait until they are gone, and create them empty."""
    delete_topics(bootstrap)
    create_topics(bootstrap, partitions, 1, 48.0)


def delete_topics(bootstrap: str) -> None:
    """Delete the product's topics that exist and wait until they are gone."""
    admin = admin_client(bootstrap)
    names = {spec.name for spec in TOPICS}

    def gone() -> bool:
        """Topics made a moment ago may not be listed at first, so each look deletes what it finds."""
        present = sorted(names & set(admin.list_topics(timeout=PATIENCE_SECONDS).topics))
        for answer in admin.delete_topics(present).values() if present else ():
            _unless_gone(answer)
        return not present

    wait_until(gone, lambda: "Kafka does not delete topics")


def _unless_gone(answer: Any) -> None:
    try:
        answer.result(PATIENCE_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise


def set_topic(bootstrap: str, topic: str, **settings: str) -> None:
    """Change settings of a topic and wait until a broker answers with them; `__` in a name is a dot."""
    wanted = {name.replace("__", "."): value for name, value in settings.items()}
    entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in wanted.items()]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin = admin_client(bootstrap)
    for answer in admin.incremental_alter_configs([resource]).values():
        answer.result(PATIENCE_SECONDS)

    def visible() -> bool:
        """The controller has the change at once, a broker answers from its copy."""
        asked = ConfigResource(ResourceType.TOPIC, topic)
        found = admin.describe_configs([asked])[asked].result(PATIENCE_SECONDS)
        return all(found[name].value == value for name, value in wanted.items())

    wait_until(visible, lambda: f"Kafka does not answer with {wanted} of {topic}")


def end_offsets(bootstrap: str, partitions: int = PARTITIONS) -> dict[Partition, int]:
    """Offset after the last record of every source partition."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "faults-ends", "log_level": 0})
    try:
        return {
            (topic, number): _end_offset(reader, TopicPartition(topic, number))
            for topic in SOURCE_TOPICS
            for number in range(partitions)
        }
    finally:
        reader.close()


def _end_offset(reader: Consumer, partition: TopicPartition) -> int:
    """Topics that were just made have no leader for a moment."""
    found: list[int] = []

    def answered() -> bool:
        try:
            found.append(int(reader.get_watermark_offsets(partition, 10)[1]))
        except KafkaException:
            return False
        return True

    wait_until(answered, lambda: f"{partition} has no leader")
    return found[0]


def delete_records(bootstrap: str, before: dict[Partition, int]) -> None:
    """Let Kafka forget the records below the offsets."""
    wanted = [TopicPartition(topic, number, offset) for (topic, number), offset in before.items()]
    admin = admin_client(bootstrap)
    for answer in admin.delete_records(wanted).values():
        answer.result(PATIENCE_SECONDS)


def members(bootstrap: str, group: str) -> list[int]:
    """How many source partitions each member of the consumer group has been given."""
    admin = admin_client(bootstrap)
    described = admin.describe_consumer_groups([group])[group].result(PATIENCE_SECONDS)
    return sorted(len(m.assignment.topic_partitions) for m in described.members)


def committed_offsets(bootstrap: str, group: str) -> dict[Partition, int]:
    """What the group has noted in Kafka, for lag displays."""
    admin = admin_client(bootstrap)
    asked = [ConsumerGroupTopicPartitions(group)]
    answer = admin.list_consumer_group_offsets(asked)[group].result(PATIENCE_SECONDS)
    return {(p.topic, p.partition): p.offset for p in answer.topic_partitions}


def count_records(bootstrap: str, topic: str, partitions: int = PARTITIONS) -> int:
    """How many records Kafka still holds of a topic; compaction leaves fewer than there are offsets."""
    reader = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "faults-count",
            "log_level": 0,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        reader.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        count = ended = 0
        while ended < partitions:
            message = reader.poll(PATIENCE_SECONDS)
            assert message is not None, "Kafka has sent nothing"
            ended += message.error() is not None
            count += message.error() is None
        return count
    finally:
        reader.close()
