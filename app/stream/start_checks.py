"""Checks before a worker starts: the schema, the window geometry, and the Kafka cluster of this database."""

from typing import Any, Final

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, UnsupportedVersionError
from mode import Service
from mode.utils.logging import get_logger

from app.errors import KafkaTopicError, LedgerError, SchemaError, text_of
from app.kafka.auth_check import check_broker_auth
from app.kafka.compaction import CLEANUP_POLICY, compacted, describe, fix
from app.postgres.connections import connect_worker
from app.postgres.migrate import require_schema
from app.security import aiokafka_options
from app.settings import KafkaSettings, Settings, StreamSettings
from app.sink.failures import Failure, classify
from app.stream.backoff import Backoff
from app.topics import SOURCE_TOPICS

logger = get_logger(__name__)

#: Positions in the rows of the answer, which has no names.
_RESOURCE_NAME: Final = 3
_CONFIG_ENTRIES: Final = 4


class StartChecks(Service):
    """Waits for PostgreSQL and Kafka, then stops a worker whose settings do not fit the stored data.

    `waits_for` names the store it waits for, and is empty once both have been checked.
    """

    abstract = False

    def __init__(self, settings: Settings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self.waits_for = "Kafka"

    async def on_start(self) -> None:
        """Waits while a store is unavailable; raises a GlobalMartError that names the fix."""
        cluster_id = await self._check_kafka()
        self.waits_for = "PostgreSQL"
        backoff = Backoff(self._settings.postgres.retry_max_seconds)
        while not self.should_stop:
            try:
                await self._check(cluster_id)
                self.waits_for = ""
                return
            except Exception as error:
                if classify(error) is not Failure.STORE:
                    raise
                logger.warning("waiting for PostgreSQL: %s", text_of(error))
            await backoff.pause()

    async def _check_kafka(self) -> str:
        """Returns the cluster's id once Kafka answers; raises KafkaTopicError if its topics do not fit."""
        kafka, backoff = self._settings.kafka, Backoff(self._settings.postgres.retry_max_seconds)
        while True:
            admin = AIOKafkaAdminClient(**aiokafka_options(kafka))
            try:
                await admin.start()
                _require_topics(await admin.describe_topics(), kafka)
                await _require_no_compaction(admin)
                return str((await admin.describe_cluster())["cluster_id"])
            except KafkaError as error:
                await check_broker_auth(kafka)
                logger.warning("waiting for Kafka: %s", text_of(error))
            finally:
                await admin.close()
            await backoff.pause()

    async def _check(self, cluster_id: str) -> None:
        connection = await connect_worker(self._settings.postgres, "globalmart-worker start")
        try:
            await require_schema(connection)
            await _require_windows(connection, self._settings.stream)
            await _require_source(connection, cluster_id)
        finally:
            await connection.close(timeout=2)


def _require_topics(described: list[dict[str, Any]], settings: KafkaSettings) -> None:
    """Raises KafkaTopicError for a wrong number of partitions, which would split users, or a missing topic."""
    found = {topic["topic"]: len(topic["partitions"]) for topic in described}
    wrong = [
        f"{name} has {found.get(name, 'not been created')}"
        for name in SOURCE_TOPICS
        if found.get(name) != settings.partitions
    ]
    if wrong:
        raise KafkaTopicError(
            f"topics should have {settings.partitions} partitions, but {', '.join(wrong)}: run `globalmart migrate`, "
            "or set GLOBALMART_KAFKA_PARTITIONS to what they have"
        )


async def _require_no_compaction(admin: AIOKafkaAdminClient) -> None:
    """Raises for a compacted topic, which loses records; logs a warning if the setting must not be read."""
    policies = await _cleanup_policies(admin)
    if found := compacted(policies, SOURCE_TOPICS):
        raise KafkaTopicError(
            f"{describe(policies, found)}, so Kafka deletes records before they are consumed; {fix(found)}"
        )
    unknown = [name for name in SOURCE_TOPICS if name not in policies]
    if unknown:
        logger.warning("cleanup.policy of %s cannot be read; make sure it is `delete`", ", ".join(unknown))


async def _cleanup_policies(admin: AIOKafkaAdminClient) -> dict[str, str]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in SOURCE_TOPICS]
    try:
        answers = await admin.describe_configs(resources)
    except (IncompatibleBrokerVersion, UnsupportedVersionError):
        return {}
    return {
        resource[_RESOURCE_NAME]: entry[1]
        for answer in answers
        for resource in answer.resources
        for entry in resource[_CONFIG_ENTRIES]
        if entry[0] == CLEANUP_POLICY
    }


async def _require_windows(connection: asyncpg.Connection, settings: StreamSettings) -> None:
    rows = await connection.fetch("SELECT window_seconds, step_seconds FROM stream_windows")
    built = tuple(rows[0].values())
    wanted = (settings.window_seconds, settings.window_step_seconds)
    if built != wanted:
        raise SchemaError(
            f"the stored panes were built for windows of {built[0]} s every {built[1]} s, the settings are "
            f"{wanted[0]} s every {wanted[1]} s: run `globalmart migrate --rebuild-windows`"
        )


async def _require_source(connection: asyncpg.Connection, cluster_id: str) -> None:
    await connection.execute("INSERT INTO stream_source (cluster_id) VALUES ($1) ON CONFLICT DO NOTHING", cluster_id)
    ours = await connection.fetchval("SELECT cluster_id FROM stream_source")
    if ours != cluster_id:
        raise LedgerError(
            f"this database has consumed Kafka cluster {ours}, but GLOBALMART_KAFKA_BOOTSTRAP leads to cluster "
            f"{cluster_id}, whose offsets refer to other records: connect the right one, or use an empty database"
        )
