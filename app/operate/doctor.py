"""Whether the stores are as this program needs them; every problem with its cure, all of them at once."""

import asyncio

from app.errors import GlobalMartError
from app.operate.doctor_kafka import (
    KafkaSight,
    check_kafka,
    check_ledger_against_kafka,
    look_at_kafka,
)
from app.operate.doctor_mongo import check_mongo
from app.operate.doctor_postgres import PostgresSight, check_postgres, look_at_postgres
from app.operate.findings import Finding, from_error
from app.settings import Settings


async def examine(settings: Settings) -> list[Finding]:
    """All findings of Kafka, PostgreSQL and MongoDB; none when all is well."""
    (kafka, kafka_findings), (postgres, postgres_findings), mongo_findings = await asyncio.gather(
        _kafka(settings), _postgres(settings), asyncio.to_thread(check_mongo, settings.mongo)
    )
    findings = [*kafka_findings, *postgres_findings, *mongo_findings]
    if kafka is not None and postgres is not None and postgres.schema is not None:
        schema = postgres.schema
        findings.extend(check_ledger_against_kafka(kafka, schema.cluster_id, schema.offsets))
    return findings


async def _kafka(settings: Settings) -> tuple[KafkaSight | None, list[Finding]]:
    try:
        sight = await asyncio.to_thread(look_at_kafka, settings.kafka)
    except GlobalMartError as error:
        return None, [from_error("Kafka", error)]
    tolerance = settings.stream.future_tolerance_seconds
    return sight, list(check_kafka(sight, settings.kafka, tolerance))


async def _postgres(settings: Settings) -> tuple[PostgresSight | None, list[Finding]]:
    try:
        sight = await look_at_postgres(settings.postgres)
    except GlobalMartError as error:
        return None, [from_error("PostgreSQL", error)]
    return sight, list(check_postgres(sight, settings))
