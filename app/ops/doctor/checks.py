"""Checks the stores against this program's needs; reports all problems at once, each with its fix."""

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from app.errors import GlobalMartError
from app.ops.doctor.findings import Finding, from_error
from app.ops.doctor.kafka_checks import KafkaState, check_kafka, check_ledger_against_kafka, collect_kafka
from app.ops.doctor.postgres_checks import PostgresState, check_postgres, collect_postgres
from app.ops.status.collect import open_database
from app.published_run import POINTER
from app.settings import MongoSettings, Settings

_AREA: Final = "MongoDB"
_OLDEST_VERSION: Final = 6
_CLOCK_SECONDS: Final = 5.0


def check_mongo(settings: MongoSettings) -> list[Finding]:
    """Checks login, version and clock."""
    try:
        with open_database(settings) as database:
            before = time.time()
            theirs = database.command("hello")["localTime"].timestamp()
            skew = theirs - (before + time.time()) / 2
            version = str(database.client.server_info()["version"])
            database[POINTER].find_one()  # the first request that needs the right to read
    except GlobalMartError as error:
        return [from_error(_AREA, error)]
    return list(_check(version, skew))


def _check(version: str, skew_seconds: float) -> Iterator[Finding]:
    if int(version.split(".")[0]) < _OLDEST_VERSION:
        yield Finding(_AREA, f"version {version} is too old", f"upgrade to {_OLDEST_VERSION} or newer")
    if abs(skew_seconds) > _CLOCK_SECONDS:
        yield Finding(_AREA, f"its clock differs from this machine's by {skew_seconds:+.1f} s", "set both by NTP")


async def run_checks(settings: Settings) -> list[Finding]:
    """Returns all findings of Kafka, PostgreSQL and MongoDB; none if all is well."""
    (kafka, kafka_findings), (postgres, postgres_findings), mongo_findings = await asyncio.gather(
        _kafka(settings), _postgres(settings), asyncio.to_thread(check_mongo, settings.mongo)
    )
    findings = [*kafka_findings, *postgres_findings, *mongo_findings]
    if kafka is not None and postgres is not None and postgres.schema is not None:
        schema = postgres.schema
        findings.extend(check_ledger_against_kafka(kafka, schema.cluster_id, schema.offsets))
    return findings


async def _kafka(settings: Settings) -> tuple[KafkaState | None, list[Finding]]:
    try:
        state = await asyncio.to_thread(collect_kafka, settings.kafka)
    except GlobalMartError as error:
        return None, [from_error("Kafka", error)]
    tolerance = settings.stream.future_tolerance_seconds
    return state, list(check_kafka(state, settings.kafka, tolerance))


async def _postgres(settings: Settings) -> tuple[PostgresState | None, list[Finding]]:
    try:
        state = await collect_postgres(settings.postgres)
    except GlobalMartError as error:
        return None, [from_error("PostgreSQL", error)]
    return state, list(check_postgres(state, settings))
